#include "supervisor/io/cri_format.hpp"

#include <array>
#include <cstring>

namespace pmctl {

namespace {

constexpr std::string_view out_tag = " stdout F ";
constexpr std::string_view err_tag = " stderr F ";
constexpr std::size_t prefix_length = cri_time_length + out_tag.size();

// The digits at `text`, or nothing where one of them is none.
std::optional<std::int64_t> digits(std::string_view text) {
    std::int64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    return value;
}

}  // namespace

void append_cri(std::string_view bytes, WallTime at, LogStream stream, std::string& into) {
    std::array<char, prefix_length> prefix{};
    const std::string time = format_rfc3339(at, 9);
    const std::string_view tag = stream == LogStream::Out ? out_tag : err_tag;
    std::memcpy(prefix.data(), time.data(), cri_time_length);
    std::memcpy(prefix.data() + cri_time_length, tag.data(), tag.size());
    while (!bytes.empty()) {
        const void* newline = std::memchr(bytes.data(), '\n', bytes.size());
        const bool whole = newline != nullptr;
        const std::size_t length =
            whole ? static_cast<std::size_t>(static_cast<const char*>(newline) - bytes.data()) + 1
                  : bytes.size();
        const std::size_t before = into.size();
        into.append(prefix.data(), prefix.size());
        into.append(bytes.data(), length);
        if (!whole) {
            into[before + prefix_length - 2] = 'P';
            into.push_back('\n');
        }
        bytes.remove_prefix(length);
    }
}

std::optional<WallTime> cri_time(std::string_view line) {
    if (line.size() < cri_time_length || line[4] != '-' || line[10] != 'T' || line[19] != '.' ||
        line[29] != 'Z') {
        return std::nullopt;
    }
    const auto year = digits(line.substr(0, 4));
    const auto month = digits(line.substr(5, 2));
    const auto day = digits(line.substr(8, 2));
    const auto hour = digits(line.substr(11, 2));
    const auto minute = digits(line.substr(14, 2));
    const auto second = digits(line.substr(17, 2));
    const auto nanos = digits(line.substr(20, 9));
    if (!year || !month || !day || !hour || !minute || !second || !nanos) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok()) return std::nullopt;
    return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
           std::chrono::seconds(*second) + Duration(*nanos);
}

std::optional<CriLine> parse_cri(std::string_view line) {
    if (line.size() < prefix_length) return std::nullopt;
    const auto at = cri_time(line);
    if (!at) return std::nullopt;
    CriLine found;
    found.at = *at;
    const std::string_view stream = line.substr(cri_time_length, 8);
    if (stream == " stderr ") {
        found.stream = LogStream::Err;
    } else if (stream != " stdout ") {
        return std::nullopt;
    }
    const char tag = line[prefix_length - 2];
    if ((tag != 'F' && tag != 'P') || line[prefix_length - 1] != ' ') return std::nullopt;
    found.partial = tag == 'P';
    found.text = line.substr(prefix_length);
    return found;
}

}  // namespace pmctl
