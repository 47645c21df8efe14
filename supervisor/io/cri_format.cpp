#include "supervisor/io/cri_format.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace pmctl {

namespace {

constexpr std::string_view out_tag = " stdout F ";
constexpr std::string_view err_tag = " stderr F ";
constexpr std::size_t tag_at = cri_prefix_length - 2;

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

CriBatch encode_cri(std::string_view bytes, WallTime at, LogStream stream, std::span<char> into) {
    std::array<char, cri_prefix_length> prefix{};
    const std::string time = format_rfc3339(at, 9);
    const std::string_view tag = stream == LogStream::Out ? out_tag : err_tag;
    std::memcpy(prefix.data(), time.data(), cri_time_length);
    std::memcpy(prefix.data() + cri_time_length, tag.data(), tag.size());

    const char* in = bytes.data();
    const char* const in_end = in + bytes.size();
    char* out = into.data();
    char* const out_end = out + into.size();
    while (in < in_end) {
        const void* newline = std::memchr(in, '\n', static_cast<std::size_t>(in_end - in));
        bool whole = newline != nullptr;
        auto length = static_cast<std::size_t>((whole ? static_cast<const char*>(newline) + 1 : in_end) - in);
        const auto room = static_cast<std::size_t>(out_end - out);
        if (cri_prefix_length + length + (whole ? 0 : 1) > room) {
            if (out != into.data() || room < cri_prefix_length + 2) break;
            length = room - cri_prefix_length - 1;
            whole = false;
        }
        std::memcpy(out, prefix.data(), cri_prefix_length);
        std::memcpy(out + cri_prefix_length, in, length);
        if (!whole) {
            out[tag_at] = 'P';
            out[cri_prefix_length + length] = '\n';
            ++out;
        }
        out += cri_prefix_length + length;
        in += length;
    }
    return {static_cast<std::size_t>(in - bytes.data()), static_cast<std::size_t>(out - into.data())};
}

std::size_t raw_size(std::string_view lines) {
    std::size_t size = 0;
    while (!lines.empty()) {
        const std::size_t length = std::min(lines.find('\n'), lines.size() - 1) + 1;
        if (length > cri_prefix_length) size += length - cri_prefix_length - (lines[tag_at] == 'P' ? 1 : 0);
        lines.remove_prefix(length);
    }
    return size;
}

std::optional<WallTime> cri_time(std::string_view line) {
    if (line.size() < cri_time_length || line[4] != '-' || line[7] != '-' || line[10] != 'T' ||
        line[13] != ':' || line[16] != ':' || line[19] != '.' || line[29] != 'Z') {
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
    // What nanoseconds in 64 bits hold, and no more.
    const bool has_year = *year >= 1970 && *year <= 2261;
    if (!has_year || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
           std::chrono::seconds(*second) + Duration(*nanos);
}

std::optional<CriLine> parse_cri_untimed(std::string_view line) {
    if (line.size() < cri_prefix_length) return std::nullopt;
    CriLine found;
    const std::string_view stream = line.substr(cri_time_length, 8);
    if (stream == " stderr ") {
        found.stream = LogStream::Err;
    } else if (stream != " stdout ") {
        return std::nullopt;
    }
    const char tag = line[tag_at];
    if ((tag != 'F' && tag != 'P') || line[tag_at + 1] != ' ') return std::nullopt;
    found.partial = tag == 'P';
    found.text = line.substr(cri_prefix_length);
    return found;
}

std::optional<CriLine> parse_cri(std::string_view line) {
    auto found = parse_cri_untimed(line);
    if (!found) return std::nullopt;
    const auto at = cri_time(line);
    if (!at) return std::nullopt;
    found->at = *at;
    return found;
}

}  // namespace pmctl
