#include "cli/process_watch.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <utility>

namespace pmctl {

ProcessWatch::ProcessWatch(pid_t pid) : fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

ProcessWatch::ProcessWatch(ProcessWatch&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

ProcessWatch& ProcessWatch::operator=(ProcessWatch&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

ProcessWatch::~ProcessWatch() {
    if (fd_ >= 0) ::close(fd_);
}

bool ProcessWatch::await_end(Duration limit) const {
    if (fd_ < 0) return true;
    const std::int64_t milliseconds = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
    pollfd ended{fd_, POLLIN, 0};
    const int patience =
        limit == Duration::zero() ? -1 : static_cast<int>(std::min<std::int64_t>(milliseconds, INT_MAX));
    return ::poll(&ended, 1, patience) != 0;
}

}  // namespace pmctl
