#include "cli/since.hpp"

#include <array>
#include <ctime>

namespace pmctl {

namespace {

bool read_local(const std::string& text, const char* format, std::tm parts, WallTime& into) {
    const char* end = ::strptime(text.c_str(), format, &parts);
    if (end == nullptr || *end != '\0') return false;
    parts.tm_isdst = -1;
    const std::time_t time = std::mktime(&parts);
    constexpr std::time_t latest = std::chrono::duration_cast<std::chrono::seconds>(Duration::max()).count();
    if (time == -1 || time > latest || time < -latest) return false;
    into = WallTime(std::chrono::seconds(time));
    return true;
}

}  // namespace

Result<WallTime> parse_since(const std::string& text, WallTime now) {
    if (const auto ago = parse_duration(text)) return now - *ago;
    if (const auto exact = parse_rfc3339(text)) return *exact;
    const std::time_t seconds =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    std::tm today{};
    ::localtime_r(&seconds, &today);
    today.tm_hour = today.tm_min = today.tm_sec = 0;
    constexpr std::array<const char*, 7> formats = {
        "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
        "%H:%M:%S",          "%H:%M"};
    for (const char* format : formats) {
        WallTime found;
        if (read_local(text, format, today, found)) return found;
    }
    return fail(ErrorKind::Invalid, "--since '" + text +
                                        "': say how long ago (10m, 2h), or when (2026-11-22T20:10:00Z, "
                                        "\"2026-11-22 20:10\", 20:10)");
}

}  // namespace pmctl
