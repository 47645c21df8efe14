// What holds for the value of any key, whoever says it: no NUL in it, what a relative path means, and how it
// is quoted in a message. Which values a key takes is its Setting's.
#pragma once

#include <string>

#include "supervisor/core/settings.hpp"

namespace pmctl {

// Nothing that goes to the system as a C string may have one.
bool has_nul(const Value& value);

// A relative path in a value that the setting takes becomes absolute: seen from `folder`, which is absolute.
// One that begins with "$" is known after expansion alone.
void resolve_paths(Value& value, PathRule rule, const std::string& folder);

// A string as TOML, cut after 60 bytes.
std::string quoted(std::string text);
// A value for a message: "\"x\"", "12", "a decimal number", "a list".
std::string value_text(const Value& value);

}  // namespace pmctl
