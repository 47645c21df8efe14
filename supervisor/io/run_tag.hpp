// The mark by which a process that left its session is known as one of a run's: PMCTL_RUN=<scope>:<run> in
// its environment, which children inherit and programs seldom clear.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "supervisor/core/run.hpp"

namespace pmctl {

// `scope` tells supervisors apart, the nested one's children from those of the outer: a text that each
// supervisor has for itself, such as its state_dir.
std::string run_tag(std::string_view scope, RunNumber run);

// `environ` as /proc/PID/environ has it, entries that end in a NUL. Nothing where there is no tag, or one of
// another scope.
std::optional<RunNumber> tagged_run(std::string_view scope, std::string_view environ);

}  // namespace pmctl
