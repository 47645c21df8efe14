#include "supervisor/io/limits.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

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

int child_oom_score(int before, bool spared) {
    constexpr int behind_the_supervisor = 100;
    constexpr int most = 1000;
    return spared ? std::max(before, 0) : std::min(before + behind_the_supervisor, most);
}

std::optional<int> spare_from_oom() {
    std::fstream file("/proc/self/oom_score_adj");
    int before = 0;
    if (!(file >> before)) return std::nullopt;
    if (before <= spared_oom_score) return child_oom_score(before, true);
    file.seekp(0);
    file << spared_oom_score << std::flush;
    return child_oom_score(before, file.good() || before < 0);
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
