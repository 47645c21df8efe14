#include "supervisor/io/strays.hpp"

#include <poll.h>
#include <signal.h>

#include "supervisor/io/loop.hpp"
#include "supervisor/io/pidfd.hpp"
#include "supervisor/io/tagged.hpp"

namespace pmctl {

namespace {
// That find none, but a process that may be just executing a program, and be one.
constexpr int most_unsure_looks = 20;
constexpr int pause_ms = 1;
}  // namespace

void Strays::add(RunNumber run) {
    runs_.insert(run);
    looks_ = 0;
}

bool Strays::kill() {
    if (runs_.empty()) return false;
    const auto pids = all_pids();
    if (!pids) return true;  // no descriptors left, for now
    const TaggedSearch search = find_tagged(*pids, {}, scope_);
    bool is_new = false;
    for (const Tagged& each : search.found) {
        if (!runs_.contains(each.tag.run)) continue;
        signal_process(each.pidfd.get(), SIGKILL);
        // One that the kernel holds (D state) ends when it can, and is not waited for.
        is_new = killed_.insert(each.pid).second || is_new;
    }
    looks_ = is_new ? 0 : looks_ + 1;
    if (is_new || (search.has_young && looks_ < most_unsure_looks)) return true;
    runs_.clear();
    killed_.clear();
    return false;
}

void Strays::end(TimePoint until) {
    while (kill() && Loop::now().steady < until) ::poll(nullptr, 0, pause_ms);
    runs_.clear();
    killed_.clear();
}

}  // namespace pmctl
