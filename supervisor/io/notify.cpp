#include "supervisor/io/notify.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace pmctl {

namespace {

std::string variable(const char* name) {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread
    return value == nullptr ? "" : value;
}

std::optional<std::int64_t> number(const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// An assignment is one line.
std::string one_line(std::string_view text) {
    std::string line(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
}

}  // namespace

Notifier Notifier::from_environment() {
    std::optional<Duration> watchdog;
    const auto interval = number(variable("WATCHDOG_USEC"));
    // The variables are inherited: only the process that WATCHDOG_PID names is meant, where it names one.
    const auto pid = number(variable("WATCHDOG_PID"));
    if (interval && *interval > 0 && (!pid || *pid == ::getpid()))
        watchdog = std::chrono::microseconds(*interval);
    return Notifier(variable("NOTIFY_SOCKET"), watchdog);
}

Result<void> Notifier::ready(std::string_view status) const {
    return send(fmt::format("READY=1\nSTATUS={}", one_line(status)));
}

Result<void> Notifier::reloading(TimePoint now) const {
    const auto since_boot = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
    return send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", since_boot.count()));
}

Result<void> Notifier::stopping(std::string_view status) const {
    return send(fmt::format("STOPPING=1\nSTATUS={}", one_line(status)));
}

Result<void> Notifier::status(std::string_view status) const {
    return send(fmt::format("STATUS={}", one_line(status)));
}

Result<void> Notifier::watchdog() const {
    return send("WATCHDOG=1");
}

Result<void> Notifier::main_pid(int pid) const {
    return send(fmt::format("MAINPID={}", pid));
}

Result<void> Notifier::send(const std::string& text) const {
    if (!active()) return {};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const bool abstract = socket_.front() == '@';
    if (!abstract && socket_.front() != '/') {
        return fail(fmt::format("NOTIFY_SOCKET '{}': neither a path nor an abstract name", socket_));
    }
    // A path needs its NUL within the limit, an abstract name has none.
    if (socket_.size() + (abstract ? 0 : 1) > sizeof address.sun_path) {
        return fail(fmt::format("NOTIFY_SOCKET '{}': over {} bytes", socket_, sizeof address.sun_path - 1));
    }
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    if (abstract) address.sun_path[0] = '\0';
    const auto size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size() + (abstract ? 0 : 1));

    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(fmt::format("socket for NOTIFY_SOCKET: {}", std::strerror(errno)));
    // A manager that is busy is waited for, since READY must arrive; one that hangs is not.
    const timeval patience{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const ssize_t sent = ::sendto(fd, text.data(), text.size(), MSG_NOSIGNAL,
                                  reinterpret_cast<const sockaddr*>(&address), size);
    const int error = errno;
    ::close(fd);
    if (sent < 0) return fail(fmt::format("NOTIFY_SOCKET '{}': {}", socket_, std::strerror(error)));
    return {};
}

}  // namespace pmctl
