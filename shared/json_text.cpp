#include "shared/json_text.hpp"

#include <array>
#include <charconv>

namespace pmctl {

namespace {

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool is_plain(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\';
}

void append_escaped(std::string& out, char c) {
    switch (c) {
        case '"': out += "\\\""; return;
        case '\\': out += "\\\\"; return;
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        case '\t': out += "\\t"; return;
        default: break;
    }
    constexpr std::string_view digits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    out += "\\u00";
    out += digits[byte >> 4];
    out += digits[byte & 0xf];
}

template <class T>
void append_number(std::string& out, T value) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    out.append(digits.data(), end.ptr);
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (text.empty()) return 0;
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    // Overlong forms, surrogates, and what is beyond U+10FFFF.
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;
    return length;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

std::string to_base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            out += i + j <= bytes.size() ? base64_digits[group >> (18 - 6 * j) & 0x3f] : '=';
        }
    }
    return out;
}

bool from_base64(std::string_view text, std::string& into) {
    if (text.size() % 4 != 0) return false;
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        std::uint32_t group = 0;
        std::size_t padding = 0;
        for (std::size_t j = 0; j < 4; ++j) {
            const char c = text[i + j];
            const std::size_t digit = base64_digits.find(c);
            if (c == '=' && i + 4 == text.size() && j >= 2) ++padding;
            if (digit == std::string_view::npos ? c != '=' || padding == 0 : padding != 0) return false;
            group = group << 6 | static_cast<std::uint32_t>(digit == std::string_view::npos ? 0 : digit);
        }
        for (std::size_t j = 0; j < 3 - padding; ++j)
            bytes += static_cast<char>(group >> (16 - 8 * j) & 0xff);
    }
    into = std::move(bytes);
    return true;
}

void JsonWriter::open(char bracket) {
    separate();
    out_ += bracket;
    comma_ = false;
}

void JsonWriter::close(char bracket) {
    out_ += bracket;
    comma_ = true;
}

void JsonWriter::separate() {
    if (comma_) out_ += ',';
    comma_ = true;
}

void JsonWriter::key(std::string_view name) {
    string(name);
    out_ += ':';
    comma_ = false;
}

void JsonWriter::string(std::string_view text) {
    separate();
    out_ += '"';
    std::size_t at = 0;
    while (at < text.size()) {
        std::size_t end = at;
        while (end < text.size() && is_plain(text[end])) ++end;
        out_ += text.substr(at, end - at);
        at = end;
        if (at == text.size()) break;
        const std::size_t length = utf8_length(text.substr(at));
        if (length > 1) {
            out_ += text.substr(at, length);
        } else if (length == 1) {
            append_escaped(out_, text[at]);
        } else {
            out_ += "\xef\xbf\xbd";
        }
        at += length == 0 ? 1 : length;
    }
    out_ += '"';
}

void JsonWriter::string_or_null(std::string_view text) {
    if (text.empty()) return null();
    string(text);
}

void JsonWriter::number(std::int64_t value) {
    separate();
    append_number(out_, value);
}

void JsonWriter::number(std::uint64_t value) {
    separate();
    append_number(out_, value);
}

void JsonWriter::milliseconds(std::int64_t nanoseconds) {
    const std::int64_t microseconds = nanoseconds / 1000;
    number(microseconds / 1000);
    std::int64_t rest = microseconds % 1000;
    if (rest < 0) rest = 0;
    if (rest == 0) return;
    std::string digits = std::to_string(1000 + rest);
    digits[0] = '.';
    digits.erase(digits.find_last_not_of('0') + 1);
    out_ += digits;
}

void JsonWriter::real(double value) {
    separate();
    std::array<char, 32> text{};
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
    out_.append(text.data(), end);
}

void JsonWriter::boolean(bool value) {
    separate();
    out_ += value ? "true" : "false";
}

void JsonWriter::null() {
    separate();
    out_ += "null";
}

}  // namespace pmctl
