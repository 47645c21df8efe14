// Processes that an earlier supervisor of this state_dir left running when it died: they are ended before
// anything is started, so that nothing ever runs twice.
#pragma once

#include <string>
#include <vector>

#include "supervisor/effects.hpp"

namespace pmctl {

// Ends those of `runs` that are still there, those that their tags alone tell of (run_tag.hpp), and all that
// they started; waits for it. Which processes these are is adoption.hpp's: no stranger is touched. Returns a
// line for each, for the log.
std::vector<std::string> end_leftovers(const std::vector<RunRecord>& runs, const std::string& scope);

}  // namespace pmctl
