#include "tests/tools/demo_admin_watch.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace pmctl {

namespace {

tl::unexpected<Error> system_error(const std::string& what) {
    return fail(what + ": " + std::strerror(errno));
}

}  // namespace

Result<void> tell_of_change(const std::string& database) {
    const std::string path = database + "-changed";
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return system_error("'" + path + "'");
    ::close(fd);
    return {};
}

Result<DemoLock> DemoLock::take(const std::string& database) {
    const std::string path = database + "-changed";
    // For reading: to close it tells nobody of anything.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return system_error("'" + path + "'");
    DemoLock lock(fd);
    while (::flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) return system_error("flock '" + path + "'");
    }
    return lock;
}

DemoLock::~DemoLock() {
    if (fd_ >= 0) ::close(fd_);
}

DemoLock::DemoLock(DemoLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Result<DemoWatch> DemoWatch::open(const std::string& database) {
    const std::filesystem::path path(database);
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) return system_error("inotify_init1");
    DemoWatch watch(fd, path.filename().string());
    if (::inotify_add_watch(fd, folder.c_str(), IN_CLOSE_WRITE) < 0)
        return system_error("inotify_add_watch '" + folder + "'");
    return watch;
}

DemoWatch::~DemoWatch() {
    if (fd_ >= 0) ::close(fd_);
}

DemoWatch::DemoWatch(DemoWatch&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)) {}

bool DemoWatch::take() {
    bool is_ours = false;
    alignas(inotify_event) std::array<char, 16384> buffer{};
    for (;;) {
        const ssize_t count = ::read(fd_, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return is_ours;
        for (std::size_t at = 0; at < static_cast<std::size_t>(count);) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* name = buffer.data() + at + sizeof event;
            if ((event.mask & IN_Q_OVERFLOW) != 0) is_ours = true;  // what was lost may have been it
            if (event.len > 0 && (name == name_ || name == name_ + "-changed")) is_ours = true;
            at += sizeof event + event.len;
        }
    }
}

}  // namespace pmctl
