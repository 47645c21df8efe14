// A ProcessSpec in sixteen hexadecimal digits, by which a later supervisor knows whether the process that it
// finds was started from what is configured now. What is done where it was not is reconcile's.
#pragma once

#include <string>

#include "supervisor/core/config.hpp"

namespace pmctl {

// The same for equal specifications, through every process, machine and version: it is made of the fields
// that differ from their default, each by its name, so that a key that comes with a later version changes
// nothing where it is not used.
std::string spec_fingerprint(const ProcessSpec& spec);

}  // namespace pmctl
