// The CRI log format, a line each: `2026-11-22T20:10:11.123456789Z stdout F text`. Raw bytes become lines,
// lines are read back. Kubernetes' design-proposals, "CRI: log management for container stdout/stderr
// streams".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/time.hpp"

namespace pmctl {

enum class LogStream { Out, Err };

// `2026-11-22T20:10:11.123456789Z`
constexpr std::size_t cri_time_length = 30;

// Appends `bytes` to `into` as lines of one moment. What has no newline at its end becomes a piece with the
// tag P: nothing is held back, so what was read can be forgotten once this is written. No piece is longer
// than `bytes`.
void append_cri(std::string_view bytes, WallTime at, LogStream stream, std::string& into);

struct CriLine {
    WallTime at{};
    LogStream stream = LogStream::Out;
    bool partial = false;  // P
    std::string_view text;
};
// One line without its newline; nothing for what is no such line.
std::optional<CriLine> parse_cri(std::string_view line);
// The time of a line alone, which is cheaper.
std::optional<WallTime> cri_time(std::string_view line);

}  // namespace pmctl
