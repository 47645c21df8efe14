// The mark by which a process is known as one of a run's, whatever became of its session, its supervisor and
// the store: PMCTL_RUN in its environment, which children inherit and programs seldom clear.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/core/run.hpp"

namespace pmctl {

// All that the next supervisor needs to go on with a run that the store does not know (yet, or any more).
struct RunTag {
    RunNumber run = 0;     // 0: no run's own, but a check of one
    std::string log_name;  // as SpawnRequest has these
    std::uint16_t port = 0;
    bool listening = false;
    std::string fingerprint;
    // Of the process that was started: of all that carry the tag that one is the run itself, its leader. The
    // child writes it when it knows its number. 0: not written.
    pid_t leader = 0;

    bool operator==(const RunTag&) const = default;
};

// "PMCTL_RUN=<scope> <log_name> <run> <port> <listen or -> <fingerprint or -> ", for the leader's digits to
// be put behind it where there are none yet. `scope` tells supervisors apart, the nested one's children from
// those of the outer: a text that each supervisor has for itself, such as its state_dir.
std::string run_tag(std::string_view scope, const RunTag& tag);

// `environ` as /proc/PID/environ has it, entries that end in a NUL. Nothing where there is no tag, or one of
// another scope.
std::optional<RunTag> read_run_tag(std::string_view scope, std::string_view environ);

}  // namespace pmctl
