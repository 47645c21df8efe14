// `pmctld --only ID...`, which is `pmctl up ID...`: those instances and what they depend on are started, the
// others keep still until somebody starts them.
#pragma once

#include <string>
#include <vector>

#include "supervisor/core/config.hpp"

namespace pmctl {

// Turns `autostart` off for all that `only` does not name and that nothing named depends on; empty: for none.
void keep_only(Config& config, const std::vector<std::string>& only);

}  // namespace pmctl
