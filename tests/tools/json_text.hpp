// A string as JSON, for programs that write a little of it and read none.
#pragma once

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

namespace pmctl {

inline std::string json_text(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        if (static_cast<unsigned char>(c) < 0x20) {
            std::array<char, 8> escaped{};
            std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(c));
            result += escaped.data();
        } else {
            result += c;
        }
    }
    return result + "\"";
}

}  // namespace pmctl
