// The CRI log format, a line each: `2026-11-22T20:10:11.123456789Z stdout F text`. Raw bytes become lines,
// lines are read back. Kubernetes' design-proposals, "CRI: log management for container stdout/stderr
// streams".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "shared/time.hpp"

namespace pmctl {

enum class LogStream { Out, Err };

// `2026-11-22T20:10:11.123456789Z`
constexpr std::size_t cri_time_length = 30;
// And ` stdout F ` behind it: what a line has in front of its text.
constexpr std::size_t cri_prefix_length = cri_time_length + 10;

struct CriBatch {
    std::size_t taken = 0;  // of the raw bytes
    std::size_t size = 0;   // of the lines
};
// Writes `bytes` into `into` as lines of one moment, as many as it has room for. What has no newline at its
// end becomes a piece with the tag P, so that nothing is held back and what was read can be forgotten once
// this is written. A line is cut into pieces only where `into` does not hold it alone; with room for no
// character nothing is taken.
CriBatch encode_cri(std::string_view bytes, WallTime at, LogStream stream, std::span<char> into);
// How many raw bytes whole lines of encode_cri's stand for.
std::size_t raw_size(std::string_view lines);

struct CriLine {
    WallTime at{};
    LogStream stream = LogStream::Out;
    bool partial = false;  // P
    std::string_view text;
};
// One line without its newline; nothing for what is no such line.
std::optional<CriLine> parse_cri(std::string_view line);
// The same without its time, which costs most.
std::optional<CriLine> parse_cri_untimed(std::string_view line);
// The time of a line alone.
std::optional<WallTime> cri_time(std::string_view line);

}  // namespace pmctl
