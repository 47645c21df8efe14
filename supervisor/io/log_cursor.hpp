// Where a reader of logs stands: for each log name the position of the next byte in the whole log, through
// all rotations. A text for whoever asks, a value here. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "shared/result.hpp"

namespace pmctl {

using LogCursor = std::map<std::string, std::uint64_t>;  // log name → position

// "web=1234,web:1=99"; names hold neither `=` nor `,`.
std::string to_text(const LogCursor& cursor);
Result<LogCursor> parse_log_cursor(std::string_view text);

}  // namespace pmctl
