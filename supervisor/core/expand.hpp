// `${NAME}` in a text. Where the values come from is launch.hpp's.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "shared/result.hpp"

namespace pmctl {

// The value of a name, or why it has none.
using Lookup = std::function<Result<std::string>(std::string_view name)>;

// `${NAME}` is replaced, `$$` is one dollar, and a dollar before anything else stays as it is. Error:
// Invalid, from `lookup`, or for "${" with no "}" or no name in it.
Result<std::string> expand(std::string_view text, const Lookup& lookup);

}  // namespace pmctl
