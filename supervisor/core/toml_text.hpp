// Values as TOML text, and what of them nobody may read over a shoulder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pmctl {

// A basic string with its quotes and escapes.
std::string toml_string(std::string_view text);
// ["a", "b"]
std::string toml_list(const std::vector<std::string>& items);
// The key as it is, or quoted where TOML's bare keys (A-Z a-z 0-9 _ -) do not allow it.
std::string toml_key(std::string_view key);

// A name with secret, password, passwd, token, key or credential in it, case aside.
bool looks_secret(std::string_view name);
constexpr std::string_view masked = "***";
// The text with the user information of URLs (`scheme://user:password@host`) replaced.
std::string mask_urls(std::string_view text);
// A command with the values of its secret-looking options replaced too: `--token=X`, `--token X`, `TOKEN=X`.
std::vector<std::string> mask_command(const std::vector<std::string>& command);

}  // namespace pmctl
