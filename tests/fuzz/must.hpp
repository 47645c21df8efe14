// What a fuzz target demands.
#pragma once

#include <cstdlib>
#include <string_view>

namespace pmctl::test {

inline void must(bool holds) {
    if (!holds) std::abort();
}

// Something, and nothing that moves a terminal's cursor.
inline bool is_one_line(std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) return false;
    }
    return !text.empty();
}

}  // namespace pmctl::test
