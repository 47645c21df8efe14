#include "supervisor/io/handover.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

namespace pmctl {

namespace {

constexpr const char* title = "pmctl-handover 1";
constexpr off_t longest = off_t{16} << 20;  // some 10^6 descriptors

std::string text_of(const Handover& handover) {
    std::string text =
        fmt::format("{}\nversion {}\nfile-limit {} {}\n", title, handover.version,
                    handover.child_defaults.files.rlim_cur, handover.child_defaults.files.rlim_max);
    if (handover.child_defaults.oom_score)
        text += fmt::format("oom-score {}\n", *handover.child_defaults.oom_score);
    if (handover.pid_file) text += fmt::format("pid-file {}\n", handover.pid_file.get());
    if (handover.state_lock) text += fmt::format("state-lock {}\n", handover.state_lock.get());
    if (handover.http) text += fmt::format("http {} {}\n", handover.http.get(), handover.http_from);
    if (handover.control) text += fmt::format("control {}\n", handover.control.get());
    for (const Descriptor& fd : handover.clients) text += fmt::format("client {}\n", fd.get());
    for (const auto& [port, fd] : handover.listeners) text += fmt::format("listener {} {}\n", fd.get(), port);
    for (const Descriptor& fd : handover.streams) text += fmt::format("stream {}\n", fd.get());
    return text;
}

Result<std::string> content_of(int fd) {
    struct stat info{};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > longest)
        return fail(fmt::format("descriptor {} is no handover", fd));
    std::string text(static_cast<std::size_t>(info.st_size), '\0');
    if (::pread(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        return fail(fmt::format("the handover cannot be read: {}", std::strerror(errno)));
    return text;
}

// Takes it: from now on it is closed with its owner, and at an exec.
Result<Descriptor> take(std::istringstream& words) {
    constexpr int first = 3;
    int fd = -1;
    if (!(words >> fd) || fd < first || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return fail("the handover names a descriptor that is not open");
    return Descriptor(fd);
}

std::string rest_of(std::istringstream& words) {
    std::string rest;
    std::getline(words >> std::ws, rest);
    return rest;
}

}  // namespace

Descriptor copy_for_exec(int fd) {
    constexpr int behind_streams = 3;
    return Descriptor(::fcntl(fd, F_DUPFD, behind_streams));
}

Result<Descriptor> write_handover(const Handover& handover) {
    Descriptor file(::memfd_create("pmctl-handover", 0));
    if (!file) return fail(fmt::format("memfd_create: {}", std::strerror(errno)));
    const std::string text = text_of(handover);
    if (::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        return fail(fmt::format("the handover cannot be written: {}", std::strerror(errno)));
    return file;
}

Result<Handover> read_handover(int fd) {
    const Descriptor file(fd);
    const auto text = content_of(fd);
    if (!text) return tl::unexpected(text.error());
    std::istringstream lines(*text);
    std::string line;
    if (!std::getline(lines, line) || line != title)
        return fail(fmt::format("descriptor {} is no handover", fd));
    Handover handover;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string kind;
        words >> kind;
        if (kind == "version") {
            handover.version = rest_of(words);
            continue;
        }
        if (kind == "file-limit") {
            words >> handover.child_defaults.files.rlim_cur >> handover.child_defaults.files.rlim_max;
            continue;
        }
        if (kind == "oom-score") {
            int score = 0;
            if (words >> score) handover.child_defaults.oom_score = score;
            continue;
        }
        auto taken = take(words);
        if (!taken) return tl::unexpected(taken.error());
        if (kind == "pid-file") {
            handover.pid_file = std::move(*taken);
        } else if (kind == "state-lock") {
            handover.state_lock = std::move(*taken);
        } else if (kind == "http") {
            handover.http = std::move(*taken);
            handover.http_from = rest_of(words);
        } else if (kind == "control") {
            handover.control = std::move(*taken);
        } else if (kind == "client") {
            handover.clients.push_back(std::move(*taken));
        } else if (kind == "listener") {
            std::uint16_t port = 0;
            words >> port;
            handover.listeners[port] = std::move(*taken);
        } else if (kind == "stream") {
            handover.streams.push_back(std::move(*taken));
        }
    }
    return handover;
}

}  // namespace pmctl
