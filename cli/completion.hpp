// Completion scripts, made from the commands as the argument parser knows them. Pure.
#pragma once

#include <string>

namespace pmctl {

// `shell`: bash, zsh or fish.
std::string completion_script(const std::string& shell);

}  // namespace pmctl
