#include "shared/time.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <optional>

namespace pmctl {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t nanoseconds;
};
// Longer names first where one begins another: "ms" before "m".
constexpr std::array units = {
    Unit{"ns", 1},
    Unit{"us", 1'000},
    Unit{"ms", 1'000'000},
    Unit{"s", 1'000'000'000},
    Unit{"m", std::int64_t{60} * 1'000'000'000},
    Unit{"h", std::int64_t{3600} * 1'000'000'000},
    Unit{"d", std::int64_t{86400} * 1'000'000'000},
};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

tl::unexpected<Error> bad_duration(std::string_view text, std::string_view why) {
    return fail(ErrorKind::Invalid,
                "'" + std::string(text) + "' is no duration" + (why.empty() ? "" : ": " + std::string(why)) +
                    "; allowed are numbers with a unit of ns, us, ms, s, m, h or d, as in \"250ms\" or "
                    "\"1m30s\"");
}

// One number and its unit off the front of `rest`, in nanoseconds; a fraction below one is cut off.
std::optional<std::int64_t> take_part(std::string_view& rest, std::string_view& why) {
    constexpr std::int64_t max = std::numeric_limits<std::int64_t>::max();
    std::size_t at = 0;
    std::int64_t whole = 0;
    while (at < rest.size() && is_digit(rest[at])) {
        const int digit = rest[at++] - '0';
        if (whole > (max - digit) / 10) {
            why = "it is too long";
            return std::nullopt;
        }
        whole = whole * 10 + digit;
    }
    const bool has_whole = at > 0;
    std::string_view fraction;
    if (at < rest.size() && rest[at] == '.') {
        const std::size_t first = ++at;
        while (at < rest.size() && is_digit(rest[at])) ++at;
        fraction = rest.substr(first, at - first);
        if (fraction.empty()) return std::nullopt;
    }
    if (!has_whole) return std::nullopt;
    rest.remove_prefix(at);
    for (const Unit& unit : units) {
        if (!rest.starts_with(unit.name)) continue;
        rest.remove_prefix(unit.name.size());
        if (!rest.empty() && !is_digit(rest.front())) {
            why = "unknown unit";
            return std::nullopt;
        }
        if (whole > max / unit.nanoseconds) {
            why = "it is too long";
            return std::nullopt;
        }
        std::int64_t value = whole * unit.nanoseconds;
        std::int64_t scale = unit.nanoseconds;
        std::int64_t tail = 0;
        for (const char digit : fraction) {
            if (scale < 10) break;
            scale /= 10;
            tail += (digit - '0') * scale;
        }
        if (value > max - tail) {
            why = "it is too long";
            return std::nullopt;
        }
        return value + tail;
    }
    why = rest.empty() ? "the unit is missing" : "unknown unit";
    return std::nullopt;
}

// A count of `unit` nanoseconds with decimals and no trailing zeros: 1500000, 1000000 → "1.5".
std::string decimal(std::uint64_t value, std::uint64_t unit) {
    std::string text = std::to_string(value / unit);
    std::uint64_t rest = value % unit;
    if (rest == 0) return text;
    text += '.';
    while (rest != 0) {
        unit /= 10;
        text += static_cast<char>('0' + rest / unit);
        rest %= unit;
    }
    return text;
}

constexpr std::uint64_t second = 1'000'000'000;

std::uint64_t magnitude(Duration value) {
    const std::int64_t count = value.count();
    return count < 0 ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
}

void append_padded(std::string& out, std::uint64_t value, int width) {
    const std::string digits = std::to_string(value);
    for (int missing = width - static_cast<int>(digits.size()); missing > 0; --missing) out += '0';
    out += digits;
}

// A fixed number of digits off the front of `rest`.
std::optional<int> take_digits(std::string_view& rest, std::size_t count) {
    if (rest.size() < count) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (!is_digit(rest[i])) return std::nullopt;
        value = value * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(count);
    return value;
}

bool take_char(std::string_view& rest, std::string_view any_of) {
    if (rest.empty() || any_of.find(rest.front()) == std::string_view::npos) return false;
    rest.remove_prefix(1);
    return true;
}

// Seconds east of UTC off the front of `rest`: "Z", "+02:00".
std::optional<int> take_offset(std::string_view& rest) {
    if (take_char(rest, "Zz")) return 0;
    const bool west = rest.starts_with('-');
    if (!take_char(rest, "+-")) return std::nullopt;
    const auto hours = take_digits(rest, 2);
    if (!hours || *hours > 23 || !take_char(rest, ":")) return std::nullopt;
    const auto minutes = take_digits(rest, 2);
    if (!minutes || *minutes > 59) return std::nullopt;
    const int seconds = (*hours * 60 + *minutes) * 60;
    return west ? -seconds : seconds;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
    if (text == "0") return Duration{};
    if (text.empty()) return bad_duration(text, "");
    std::int64_t total = 0;
    std::string_view rest = text;
    while (!rest.empty()) {
        std::string_view why;
        const auto part = take_part(rest, why);
        if (!part) return bad_duration(text, why);
        if (total > std::numeric_limits<std::int64_t>::max() - *part)
            return bad_duration(text, "it is too long");
        total += *part;
    }
    return Duration(total);
}

std::string format_duration(Duration value) {
    std::uint64_t rest = magnitude(value);
    if (rest == 0) return "0s";
    std::string text = value.count() < 0 ? "-" : "";
    constexpr std::array<std::pair<char, std::uint64_t>, 3> large = {
        {{'d', 86400 * second}, {'h', 3600 * second}, {'m', 60 * second}}};
    for (const auto& [name, unit] : large) {
        if (rest < unit) continue;
        text += std::to_string(rest / unit) + name;
        rest %= unit;
    }
    if (rest >= second)
        text += decimal(rest, second) + "s";
    else if (rest >= 1'000'000)
        text += decimal(rest, 1'000'000) + "ms";
    else if (rest >= 1'000)
        text += decimal(rest, 1'000) + "us";
    else if (rest > 0)
        text += std::to_string(rest) + "ns";
    return text;
}

std::string describe_duration(Duration value) {
    const std::uint64_t total = magnitude(value);
    const std::string sign = value.count() < 0 ? "-" : "";
    if (total == 0) return "0s";
    if (total < 1'000) return sign + std::to_string(total) + "ns";
    if (total < 1'000'000) return sign + std::to_string(total / 1'000) + "us";
    if (total < second) return sign + std::to_string(total / 1'000'000) + "ms";
    constexpr std::array<std::pair<char, std::uint64_t>, 4> steps = {
        {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}};
    const std::uint64_t seconds = total / second;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const auto& [name, unit] = steps.at(i);
        if (seconds < unit) continue;
        std::string text = sign + std::to_string(seconds / unit) + name;
        if (i + 1 == steps.size()) return text;
        const auto& [next_name, next_unit] = steps.at(i + 1);
        const std::uint64_t next = seconds % unit / next_unit;
        return next == 0 ? text : text + " " + std::to_string(next) + next_name;
    }
    return "0s";
}

std::string format_rfc3339(WallTime when, int fraction_digits) {
    const auto day = std::chrono::floor<std::chrono::days>(when);
    const std::chrono::year_month_day date(day);
    const auto of_day = static_cast<std::uint64_t>((when - day).count());
    const std::uint64_t seconds = of_day / second;
    std::string text;
    text.reserve(30);
    append_padded(text, static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
    text += '-';
    append_padded(text, static_cast<unsigned>(date.month()), 2);
    text += '-';
    append_padded(text, static_cast<unsigned>(date.day()), 2);
    text += 'T';
    append_padded(text, seconds / 3600, 2);
    text += ':';
    append_padded(text, seconds / 60 % 60, 2);
    text += ':';
    append_padded(text, seconds % 60, 2);
    if (fraction_digits > 0) {
        text += '.';
        append_padded(text, of_day % second, 9);
        for (int surplus = 9 - fraction_digits; surplus > 0; --surplus) text.pop_back();
    }
    text += 'Z';
    return text;
}

Result<WallTime> parse_rfc3339(std::string_view text) {
    const auto bad = [text] {
        return fail(
            ErrorKind::Invalid,
            "'" + std::string(text) + "' is no time; allowed is RFC 3339 as in \"2026-11-22T20:10:11Z\"");
    };
    std::string_view rest = text;
    const auto year = take_digits(rest, 4);
    if (!year || !take_char(rest, "-")) return bad();
    const auto month = take_digits(rest, 2);
    if (!month || !take_char(rest, "-")) return bad();
    const auto day = take_digits(rest, 2);
    if (!day || !take_char(rest, "Tt ")) return bad();
    const auto hour = take_digits(rest, 2);
    if (!hour || *hour > 23 || !take_char(rest, ":")) return bad();
    const auto minute = take_digits(rest, 2);
    if (!minute || *minute > 59 || !take_char(rest, ":")) return bad();
    const auto seconds = take_digits(rest, 2);
    if (!seconds || *seconds > 60) return bad();  // 60: a leap second, RFC 3339 section 5.6
    std::int64_t fraction = 0;
    if (take_char(rest, ".")) {
        if (rest.empty() || !is_digit(rest.front())) return bad();
        std::int64_t scale = 100'000'000;
        for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1), scale /= 10)
            fraction += (rest.front() - '0') * scale;
    }
    const auto offset = take_offset(rest);
    if (!offset || !rest.empty()) return bad();
    const std::chrono::year_month_day date(std::chrono::year(*year),
                                           std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day)));
    // What 64 bits of nanoseconds around 1970 can hold.
    if (!date.ok() || *year < 1678 || *year > 2261) return bad();
    const auto of_day = std::chrono::seconds((*hour * 60 + *minute) * 60 + *seconds - *offset);
    return WallTime(std::chrono::sys_days(date)) + of_day + Duration(fraction);
}

}  // namespace pmctl
