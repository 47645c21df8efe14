#include "supervisor/io/strays.hpp"

#include <signal.h>

#include "supervisor/io/adoption.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/pidfd.hpp"

namespace pmctl {

bool Strays::kill() {
    if (runs_.empty()) return false;
    bool is_new = false;
    for (const Remnant& each : find_tagged(runs_, scope_)) {
        signal_process(each.pidfd.get(), SIGKILL);
        is_new = killed_.insert(each.pid).second || is_new;
    }
    if (is_new) return true;
    // One that the kernel holds (D state) ends when it can.
    runs_.clear();
    killed_.clear();
    return false;
}

void Strays::end(TimePoint until) {
    while (!runs_.empty() && Loop::now().steady < until) {
        const auto found = find_tagged(runs_, scope_);
        if (found.empty()) runs_.clear();
        end_remnants(found, until - Loop::now().steady);
    }
}

}  // namespace pmctl
