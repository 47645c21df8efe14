#include "supervisor/io/limits.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pmctl {

Result<rlimit> raise_file_limit() {
    rlimit before{};
    if (::getrlimit(RLIMIT_NOFILE, &before) != 0) {
        return fail(fmt::format("getrlimit RLIMIT_NOFILE: {}", std::strerror(errno)));
    }
    const rlimit raised{before.rlim_max, before.rlim_max};
    if (before.rlim_cur < before.rlim_max && ::setrlimit(RLIMIT_NOFILE, &raised) != 0) {
        return fail(fmt::format("setrlimit RLIMIT_NOFILE to {}: {}", before.rlim_max, std::strerror(errno)));
    }
    return before;
}

SpareDescriptor::SpareDescriptor() {
    restore();
}

SpareDescriptor::~SpareDescriptor() {
    release();
}

bool SpareDescriptor::release() {
    if (fd_ < 0) return false;
    ::close(fd_);
    fd_ = -1;
    return true;
}

void SpareDescriptor::restore() {
    if (fd_ < 0) fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

}  // namespace pmctl
