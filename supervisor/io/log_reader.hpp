// `pmctl logs`: the lines of several instances' files, in the order of time, from a cursor on. Nothing is
// kept between two requests: the cursor says all.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "shared/protocol.hpp"
#include "shared/result.hpp"

namespace pmctl {

// Of text in one reply; the reply says `more` when it did not suffice.
constexpr std::size_t log_reply_bytes = std::size_t{256} << 10;

// `folder` holds a folder for each log name; `names`: as shown → log name. A name that the cursor does not
// have (it is new) is read from its beginning. Error: Invalid for a cursor that is none.
Result<LogsReply> read_log_lines(const std::string& folder,
                                 const std::vector<std::pair<std::string, std::string>>& names,
                                 const LogsRequest& request);

// Well-formed UTF-8: what is none becomes U+FFFD. (Unicode 15, table 3-7.)
std::string valid_utf8(std::string_view bytes);

}  // namespace pmctl
