// Ends what a supervisor of a test left running: for the tests that are about what it leaves.
#pragma once

#include <fmt/format.h>
#include <signal.h>

#include <unordered_set>

#include "supervisor/io/adoption.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/pidfd.hpp"
#include "supervisor/io/strays.hpp"

namespace pmctl::test {

inline constexpr Duration grace = std::chrono::seconds(2);  // between TERM and KILL, and again for the KILL

// Ends those of `runs` that are still there, those that their tags alone tell of (run_tag.hpp), and all that
// they started; waits for it. A line for each.
inline std::vector<std::string> end_leftovers(const std::vector<RunRecord>& runs, const std::string& scope) {
    const auto looked = find_runs(runs, scope);
    if (!looked) return {looked.error().message + ": processes of an earlier supervisor are not found"};
    const Findings& found = *looked;
    std::unordered_set<RunNumber> ending;
    for (const auto& [run, pidfd] : found.runs) {
        if (run.state != FoundRun::State::Unclear) ending.insert(run.record.run);
        if (pidfd) signal_group(pidfd.get(), run.record.pid, SIGTERM);
    }
    end_remnants(found.remnants, grace);

    std::vector<std::string> told;
    TimePoint until = Loop::now().steady + grace;
    for (const auto& [run, pidfd] : found.runs) {
        const RunRecord& record = run.record;
        const std::string& name = record.instance.empty() ? record.log_name : record.instance;
        if (run.state == FoundRun::State::Unclear) told.push_back(fmt::format("'{}': {}", name, run.note));
        if (!pidfd) continue;
        const bool obeyed = has_ended(pidfd.get(), until - Loop::now().steady);
        signal_group(pidfd.get(), record.pid, SIGKILL);  // what is left of its group, or all of it
        told.push_back(fmt::format("'{}': pid {}, left by an earlier supervisor, was ended{}", name,
                                   record.pid, obeyed ? "" : " by SIGKILL"));
    }
    until = Loop::now().steady + grace;
    for (const auto& [run, pidfd] : found.runs) {
        if (pidfd) has_ended(pidfd.get(), until - Loop::now().steady);
    }
    // Those that left the group.
    Strays strays(scope);
    for (const RunNumber run : ending) strays.add(run);
    strays.end(until);
    return told;
}

}  // namespace pmctl::test
