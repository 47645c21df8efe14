#include "supervisor/io/leftovers.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "supervisor/io/run_tag.hpp"

namespace pmctl {

namespace {

constexpr int grace_ms = 2000;  // between TERM and KILL, and again for the KILL

bool is_of_run(int pid, const std::string& scope, RunNumber run) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto tag = read_run_tag(scope, text);
    return tag && tag->run == run;
}

struct Leftover {
    int pidfd = -1;
    RunRecord record;
};

bool ended(const Leftover& process, int wait_ms) {
    pollfd each{process.pidfd, POLLIN, 0};
    return ::poll(&each, 1, wait_ms) > 0;
}

}  // namespace

std::vector<std::string> end_leftovers(const std::vector<RunRecord>& runs, const std::string& scope) {
    std::vector<Leftover> found;
    for (const RunRecord& record : runs) {
        if (record.pid <= 1) continue;
        // The handle first, then the look: what was looked at is then what is signalled.
        const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0));
        if (pidfd < 0) continue;
        if (!is_of_run(record.pid, scope, record.run)) {
            ::close(pidfd);
            continue;
        }
        ::kill(-record.pid, SIGTERM);
        found.push_back({pidfd, record});
    }
    std::vector<std::string> told;
    for (const Leftover& each : found) {
        const bool obeyed = ended(each, grace_ms);
        ::kill(-each.record.pid, SIGKILL);  // what is left of its group, or all of it
        if (!obeyed) ended(each, grace_ms);
        ::close(each.pidfd);
        told.push_back("'" + each.record.instance + "': pid " + std::to_string(each.record.pid) +
                       ", left by an earlier supervisor, was ended" + (obeyed ? "" : " by SIGKILL"));
    }
    return told;
}

}  // namespace pmctl
