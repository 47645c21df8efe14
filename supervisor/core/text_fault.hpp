// What has to be right about a text before a TOML parser may see it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pmctl {

struct TextFault {
    std::uint32_t line = 1;
    std::uint32_t column = 1;
    std::string message;
};

// The first NUL byte, the first byte that is no UTF-8 (RFC 3629), or a key of so many dotted parts that the
// tables' recursion would overflow the stack; nothing for a text that may be parsed.
std::optional<TextFault> find_text_fault(std::string_view text);

// Without the byte order mark that some editors put in front.
std::string_view without_bom(std::string_view text);

}  // namespace pmctl
