// The text of an env_file → variables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "supervisor/core/config.hpp"
#include "supervisor/core/problem.hpp"

namespace pmctl {

// Lines NAME=value, also with "export " in front; empty lines and lines that begin with "#" are skipped.
// Blanks around the value go, and so does one pair of quotes around all of it; nothing is expanded or
// unescaped. Of a name that comes twice the later counts. `path` is for the problems, which are added.
Environment parse_env_file(std::string_view text, const std::string& path, std::vector<Problem>& problems);

}  // namespace pmctl
