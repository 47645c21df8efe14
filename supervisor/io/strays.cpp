#include "supervisor/io/strays.hpp"

#include <poll.h>
#include <signal.h>

#include "supervisor/io/adoption.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/pidfd.hpp"

namespace pmctl {

namespace {
constexpr int enough_quiet_looks = 2;
constexpr int pause_ms = 1;
}  // namespace

void Strays::add(RunNumber run) {
    runs_.insert(run);
    quiet_looks_ = 0;
}

bool Strays::kill() {
    if (runs_.empty()) return false;
    const auto found = find_tagged(runs_, scope_);
    if (!found) return true;  // no descriptors left, for now
    bool is_new = false;
    for (const Remnant& each : *found) {
        signal_process(each.pidfd.get(), SIGKILL);
        // One that the kernel holds (D state) ends when it can, and is not waited for.
        is_new = killed_.insert(each.pid).second || is_new;
    }
    quiet_looks_ = is_new ? 0 : quiet_looks_ + 1;
    if (quiet_looks_ < enough_quiet_looks) return true;
    runs_.clear();
    killed_.clear();
    return false;
}

void Strays::end(TimePoint until) {
    while (Loop::now().steady < until) {
        const auto found = find_tagged(runs_, scope_);
        if (!found) return;
        end_remnants(*found, until - Loop::now().steady);
        quiet_looks_ = found->empty() ? quiet_looks_ + 1 : 0;
        if (quiet_looks_ >= enough_quiet_looks) break;
        ::poll(nullptr, 0, pause_ms);
    }
    runs_.clear();
}

}  // namespace pmctl
