#include "supervisor/io/printable.hpp"

#include <algorithm>

namespace pmctl {

namespace {

bool is_space(unsigned char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// How many bytes the character at the front has; 0 where it is malformed, cut off, or not to be printed.
// RFC 3629, section 4; surrogates and C1 controls are left out too.
std::size_t printable_length(std::string_view bytes) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned char lead = at(0);
    if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || bytes.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((at(i) & 0xc0) != 0x80) return 0;
    }
    const unsigned char second = at(1);
    const bool is_malformed = (lead == 0xc2 && second < 0xa0) || (lead == 0xe0 && second < 0xa0) ||
                              (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
                              (lead == 0xf4 && second > 0x8f);
    return is_malformed ? 0 : length;
}

}  // namespace

std::string escaped(std::string_view bytes, std::size_t max) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes.substr(0, max)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '\\' && c != '\'') {
            text += c;
        } else {
            text += "\\x";
            text += digits[byte >> 4];
            text += digits[byte & 15];
        }
    }
    if (bytes.size() > max) text += "...";
    return text;
}

std::string short_text(std::string_view bytes, std::size_t max) {
    std::string text;
    bool space = false;
    while (!bytes.empty() && text.size() < max) {
        if (is_space(static_cast<unsigned char>(bytes.front()))) {
            space = !text.empty();
            bytes.remove_prefix(1);
            continue;
        }
        if (text.empty() && bytes.front() == '<') return {};
        const std::size_t length = printable_length(bytes);
        if (length == 0) return {};
        if (space) text += ' ';
        space = false;
        text += bytes.substr(0, length);
        bytes.remove_prefix(length);
    }
    if (!bytes.empty() && text.size() >= max) text += "...";
    return text;
}

}  // namespace pmctl
