#include "supervisor/core/toml_text.hpp"

#include <algorithm>
#include <array>

namespace pmctl {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_bare(char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

}  // namespace

std::string toml_string(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c == '\r') {
            out += "\\r";
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 0xf];
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string toml_list(const std::vector<std::string>& items) {
    std::string out = "[";
    for (const std::string& item : items) {
        if (out.size() > 1) out += ", ";
        out += toml_string(item);
    }
    return out + "]";
}

std::string toml_key(std::string_view key) {
    return !key.empty() && std::all_of(key.begin(), key.end(), is_bare) ? std::string(key) : toml_string(key);
}

bool looks_secret(std::string_view name) {
    constexpr std::array<std::string_view, 6> words = {"secret", "password", "passwd",
                                                       "token",  "key",      "credential"};
    std::string text(name);
    std::transform(text.begin(), text.end(), text.begin(), lower);
    return std::any_of(words.begin(), words.end(),
                       [&text](std::string_view word) { return text.find(word) != std::string::npos; });
}

std::string mask_urls(std::string_view text) {
    std::string out;
    for (;;) {
        const auto scheme = text.find("://");
        if (scheme == std::string_view::npos) return out += text;
        out += text.substr(0, scheme + 3);
        text.remove_prefix(scheme + 3);
        const std::string_view authority = text.substr(0, text.find_first_of("/?# \t\n\"'"));
        const auto at = authority.rfind('@');
        if (at == std::string_view::npos) continue;
        out += masked;
        text.remove_prefix(at);
    }
}

std::vector<std::string> mask_command(const std::vector<std::string>& command) {
    std::vector<std::string> out;
    out.reserve(command.size());
    bool hide_next = false;
    for (const std::string& word : command) {
        const auto equals = word.find('=');
        const bool is_option = word.starts_with('-');
        const bool hide = hide_next && !is_option;
        hide_next = is_option && equals == std::string::npos && looks_secret(word);
        if (hide)
            out.emplace_back(masked);
        else if (equals != std::string::npos && looks_secret(std::string_view(word).substr(0, equals)))
            out.push_back(word.substr(0, equals + 1) + std::string(masked));
        else
            out.push_back(mask_urls(word));
    }
    return out;
}

}  // namespace pmctl
