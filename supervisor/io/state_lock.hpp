// One supervisor a state_dir, which is what tells its runs from those of others: two of one folder would look
// after the same processes, and stop what they do not know. <state_dir>/lock, locked as long as it lives.
#pragma once

#include <string>

#include "shared/result.hpp"
#include "supervisor/io/descriptor.hpp"

namespace pmctl {

// Makes the folder where needed. The lock goes with the descriptor (flock(2)), over an exec too where that
// stays open. Error: what the system says, or "state_dir '/var/lib/pmctl' is another supervisor's (pid 42)".
Result<Descriptor> lock_state(const std::string& state_dir);

}  // namespace pmctl
