#include "shared/size.hpp"

#include <array>
#include <limits>

namespace pmctl {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t bytes;
};
// What format_size prefers, first; "KB" is read too, since people write it.
constexpr std::array units = {
    Unit{"TiB", std::uint64_t{1} << 40},
    Unit{"TB", 1'000'000'000'000},
    Unit{"GiB", std::uint64_t{1} << 30},
    Unit{"GB", 1'000'000'000},
    Unit{"MiB", std::uint64_t{1} << 20},
    Unit{"MB", 1'000'000},
    Unit{"KiB", std::uint64_t{1} << 10},
    Unit{"kB", 1'000},
    Unit{"KB", 1'000},
    Unit{"B", 1},
};
// Read too, as in systemd.resource-control(5), docker and the JVM's options: powers of 1024. Not written,
// since elsewhere an M is a million.
constexpr std::array letters = {
    Unit{"K", std::uint64_t{1} << 10}, Unit{"M", std::uint64_t{1} << 20}, Unit{"G", std::uint64_t{1} << 30},
    Unit{"T", std::uint64_t{1} << 40}, Unit{"k", std::uint64_t{1} << 10}, Unit{"m", std::uint64_t{1} << 20},
    Unit{"g", std::uint64_t{1} << 30}, Unit{"t", std::uint64_t{1} << 40},
};

const Unit* find_unit(std::string_view name) {
    for (const Unit& unit : units) {
        if (name == unit.name) return &unit;
    }
    for (const Unit& unit : letters) {
        if (name == unit.name) return &unit;
    }
    return nullptr;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

tl::unexpected<Error> bad_size(std::string_view text, std::string_view why) {
    return fail(ErrorKind::Invalid,
                "'" + std::string(text) + "' is no size" + (why.empty() ? "" : ": " + std::string(why)) +
                    "; allowed are bytes or a number with B, KiB, MiB, GiB, TiB, kB, MB, GB or TB, as in "
                    "\"10MiB\"");
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
    constexpr std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
    std::size_t at = 0;
    std::uint64_t whole = 0;
    while (at < text.size() && is_digit(text[at])) {
        const auto digit = static_cast<std::uint64_t>(text[at++] - '0');
        if (whole > (max - digit) / 10) return bad_size(text, "it is too large");
        whole = whole * 10 + digit;
    }
    if (at == 0) return bad_size(text, "");
    std::string_view fraction;
    if (at < text.size() && text[at] == '.') {
        const std::size_t first = ++at;
        while (at < text.size() && is_digit(text[at])) ++at;
        fraction = text.substr(first, at - first);
        if (fraction.empty()) return bad_size(text, "");
    }
    const std::string_view name = text.substr(at);
    if (name.empty() && fraction.empty()) return whole;
    const Unit* unit = find_unit(name);
    if (unit == nullptr) return bad_size(text, name.empty() ? "a part of a byte" : "unknown unit");
    if (whole > max / unit->bytes) return bad_size(text, "it is too large");
    // Exact for up to 6 digits of any unit; what is below one byte is cut off.
    std::uint64_t tail = 0;
    std::uint64_t power = 1;
    for (const char digit : fraction.substr(0, 6)) {
        tail = tail * 10 + static_cast<std::uint64_t>(digit - '0');
        power *= 10;
    }
    tail = unit->bytes / power * tail + unit->bytes % power * tail / power;
    if (whole * unit->bytes > max - tail) return bad_size(text, "it is too large");
    return whole * unit->bytes + tail;
}

std::string format_size(std::uint64_t bytes) {
    if (bytes == 0) return "0B";
    std::string shortest = std::to_string(bytes) + "B";
    for (const Unit& unit : units) {
        if (bytes % unit.bytes != 0) continue;
        std::string text = std::to_string(bytes / unit.bytes) + std::string(unit.name);
        if (text.size() < shortest.size()) shortest = std::move(text);
    }
    return shortest;
}

}  // namespace pmctl
