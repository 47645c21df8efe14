// Sizes in bytes: "10MiB" to a value and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/result.hpp"

namespace pmctl {

// "512", "10KiB", "10MiB", "1.5GiB" (powers of 1024) and "10kB", "10MB", "1GB" (powers of 1000); "B" alone
// too.
Result<std::uint64_t> parse_size(std::string_view text);
// The shortest text that parse_size reads back to the same value: "10MiB", "1500B".
std::string format_size(std::uint64_t bytes);

}  // namespace pmctl
