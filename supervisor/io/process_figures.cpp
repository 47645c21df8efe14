#include "supervisor/io/process_figures.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace pmctl {

ProcessFigures process_figures() {
    ProcessFigures figures;
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) == 0) {
        for (const timeval& part : {usage.ru_utime, usage.ru_stime})
            figures.cpu += std::chrono::seconds(part.tv_sec) + std::chrono::microseconds(part.tv_usec);
    }
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    if (std::ifstream("/proc/self/statm") >> total >> resident)
        figures.resident_bytes = resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    std::error_code error;
    const std::filesystem::directory_iterator open("/proc/self/fd", error);
    // The one of this look is among them.
    if (!error) figures.open_fds = static_cast<std::uint64_t>(std::distance(begin(open), end(open))) - 1;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.max_fds = limit.rlim_cur;
    return figures;
}

}  // namespace pmctl
