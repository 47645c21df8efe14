#include "supervisor/core/text_fault.hpp"

#include <algorithm>
#include <cstdint>

namespace pmctl {
namespace {

constexpr std::size_t max_dots = 100;  // in one key; real ones have three

// Bytes of the UTF-8 sequence at the front; 0 where there is none: RFC 3629, section 4.
std::size_t sequence_length(std::string_view text) {
    const auto byte = [text](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto follows = [&byte](std::size_t i) { return (byte(i) & 0xc0U) == 0x80; };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (!follows(1) || !follows(2)) return 0;
        if (first == 0xe0 && byte(1) < 0xa0) return 0;  // overlong
        if (first == 0xed && byte(1) > 0x9f) return 0;  // a surrogate
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (!follows(1) || !follows(2) || !follows(3)) return 0;
        if (first == 0xf0 && byte(1) < 0x90) return 0;
        if (first == 0xf4 && byte(1) > 0x8f) return 0;
        return 4;
    }
    return 0;
}

TextFault fault_at(std::string_view text, std::size_t at, std::string message) {
    const std::string_view before = text.substr(0, at);
    TextFault fault;
    fault.line += static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n'));
    const auto line = before.substr(before.rfind('\n') + 1);  // npos + 1 is 0
    fault.column += static_cast<std::uint32_t>(std::count_if(
        line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80; }));
    fault.message = std::move(message);
    return fault;
}

// Past the string that begins at `at`, whichever of TOML's four kinds it is.
std::size_t after_string(std::string_view text, std::size_t at) {
    const char quote = text[at];
    const std::string triple(3, quote);
    const bool is_long = text.substr(at, 3) == triple;
    at += is_long ? 3 : 1;
    for (; at < text.size(); ++at) {
        if (text[at] == '\\' && quote == '"') {
            ++at;
        } else if (is_long ? text.substr(at, 3) == triple : text[at] == quote) {
            return at + (is_long ? 3 : 1);
        } else if (!is_long && text[at] == '\n') {
            return at;
        }
    }
    return text.size();
}

std::optional<std::size_t> find_deep_key(std::string_view text) {
    std::size_t dots = 0;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == '"' || c == '\'') {
            at = after_string(text, at);
            continue;
        }
        if (c == '#') {
            at = std::min(text.find('\n', at), text.size());
            continue;
        }
        if (c == '.') {
            if (++dots > max_dots) return at;
        } else if (c == '\n' || c == '=' || c == ',' || c == '{' || c == '[') {
            dots = 0;
        }
        ++at;
    }
    return std::nullopt;
}

}  // namespace

std::optional<TextFault> find_text_fault(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '\0')
            return fault_at(text, at, "a NUL byte; a configuration is text, is this the right file?");
        const std::size_t length = sequence_length(text.substr(at, 4));
        if (length == 0) {
            constexpr std::string_view digits = "0123456789abcdef";
            const auto byte = static_cast<unsigned char>(text[at]);
            return fault_at(text, at,
                            std::string("the byte 0x") + digits[byte >> 4U] + digits[byte & 0xfU] +
                                " is no UTF-8; save the file in that encoding");
        }
        at += length;
    }
    if (const auto deep = find_deep_key(text))
        return fault_at(text, *deep, "a key of more than " + std::to_string(max_dots) + " dotted parts");
    return std::nullopt;
}

std::string_view without_bom(std::string_view text) {
    return text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text;
}

}  // namespace pmctl
