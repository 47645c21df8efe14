// Processes that an earlier supervisor of this state_dir left running when it died: they are ended before
// anything is started, so that nothing ever runs twice.
#pragma once

#include <string>
#include <vector>

#include "supervisor/effects.hpp"

namespace pmctl {

// Ends those of `runs` that are still there, whole groups, and waits for it. Only a process that carries its
// run's tag (run_tag.hpp) is touched: a number that was given to a stranger meanwhile is not. Returns a line
// for each, for the log.
std::vector<std::string> end_leftovers(const std::vector<RunRecord>& runs, const std::string& scope);

}  // namespace pmctl
