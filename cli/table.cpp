#include "cli/table.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "shared/json_text.hpp"

namespace pmctl {

namespace {

std::string_view code_of(Color color) {
    switch (color) {
        case Color::None: return "";
        case Color::Red: return "31";
        case Color::Green: return "32";
        case Color::Yellow: return "33";
        case Color::Blue: return "34";
        case Color::Magenta: return "35";
        case Color::Cyan: return "36";
        case Color::Dim: return "2";
        case Color::Bold: return "1";
    }
    return "";
}

// Unicode's East_Asian_Width W and F, by blocks.
constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 9> wide = {{{0x1100, 0x115f},
                                                                          {0x2e80, 0xa4cf},
                                                                          {0xac00, 0xd7a3},
                                                                          {0xf900, 0xfaff},
                                                                          {0xfe30, 0xfe6f},
                                                                          {0xff00, 0xff60},
                                                                          {0xffe0, 0xffe6},
                                                                          {0x1f300, 0x1faff},
                                                                          {0x20000, 0x3fffd}}};
constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 4> combining = {
    {{0x0300, 0x036f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}}};

std::size_t width_of(std::uint32_t point) {
    const auto within = [&](const auto& range) { return point >= range.first && point <= range.second; };
    if (std::any_of(combining.begin(), combining.end(), within)) return 0;
    return std::any_of(wide.begin(), wide.end(), within) ? 2 : 1;
}

// The length in bytes of the first character, and its code point.
std::pair<std::size_t, std::uint32_t> first_character(std::string_view text) {
    const std::size_t length = utf8_length(text);
    if (length <= 1) return {1, static_cast<unsigned char>(text[0])};
    std::uint32_t point = static_cast<unsigned char>(text[0]) & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i)
        point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
    return {length, point};
}

// The beginning of a text that is too long for so many columns, and an ellipsis.
std::string cut(std::string_view text, std::size_t columns) {
    if (display_width(text) <= columns) return std::string(text);
    constexpr std::string_view ellipsis = "…";
    if (columns == 0) return "";
    std::size_t left = columns - 1;
    std::size_t at = 0;
    while (at < text.size()) {
        const auto [length, point] = first_character(text.substr(at));
        if (width_of(point) > left) break;
        left -= width_of(point);
        at += length;
    }
    return std::string(text.substr(0, at)) + std::string(ellipsis);
}

}  // namespace

std::string paint(std::string_view text, Color color, const Style& style) {
    if (!style.color || color == Color::None || text.empty()) return std::string(text);
    return "\x1b[" + std::string(code_of(color)) + "m" + std::string(text) + "\x1b[0m";
}

std::size_t display_width(std::string_view text) {
    std::size_t columns = 0;
    while (!text.empty()) {
        const auto [length, point] = first_character(text);
        columns += width_of(point);
        text.remove_prefix(length);
    }
    return columns;
}

std::string printable(std::string_view text) {
    std::string found;
    found.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const auto byte = static_cast<unsigned char>(text[0]);
        // C0, DEL, C1 (0xc2 0x80-0x9f) and what is no UTF-8.
        const bool control = length == 0 || byte < 0x20 || byte == 0x7f ||
                             (byte == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0);
        control ? found += '?' : found += text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return found;
}

std::string Table::text(const Style& style) const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], display_width(row[i].text));
    }
    std::string out;
    for (const auto& row : rows_) {
        std::size_t last = row.size();
        while (last > 0 && row[last - 1].text.empty()) --last;
        std::size_t left = style.width == 0 ? std::string::npos : style.width;
        for (std::size_t i = 0; i < last && left > 0; ++i) {
            std::string text = style.width == 0 ? row[i].text : cut(row[i].text, left);
            const std::size_t width = display_width(text);
            out += paint(text, row[i].color, style);
            left -= std::min(left, width);
            if (i + 1 == last || left == 0) continue;
            const std::size_t padding = std::min(widths[i] + 2 - width, left);
            out.append(padding, ' ');
            left -= padding;
        }
        out += '\n';
    }
    return out;
}

}  // namespace pmctl
