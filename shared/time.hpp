// The units of time: the steady clock for decisions, the wall clock for people. Nothing here reads a clock.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "shared/result.hpp"

namespace pmctl {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;  // CLOCK_MONOTONIC
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;   // CLOCK_REALTIME, UTC

// One reading of both clocks, made once a turn of the loop and handed to everything that decides.
struct Now {
    TimePoint steady;
    WallTime wall;
};

// "250ms", "5s", "1m30s", "2h", "1d12h": whole or decimal numbers with a unit each (ns us ms s m h d), no
// spaces. "0" alone is allowed. Error: Invalid, saying what was found and what is allowed.
Result<Duration> parse_duration(std::string_view text);
// The shortest text that parse_duration reads back to the same value: "1m30s", "250ms", "0s".
std::string format_duration(Duration value);
// For people: at most two units, rounded down: "350ms", "12s", "3m 5s", "4h 12m", "2d 3h".
std::string describe_duration(Duration value);

// RFC 3339 in UTC, "2026-11-22T20:10:11.123Z"; digits of the second's fraction: 0, 3, 6 or 9.
std::string format_rfc3339(WallTime when, int fraction_digits = 3);
// RFC 3339 with "Z" or an offset; a space is allowed for the "T".
Result<WallTime> parse_rfc3339(std::string_view text);

}  // namespace pmctl
