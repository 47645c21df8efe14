// `pmctl logs`: the lines of several instances' files, in the order of time, from a cursor on. Nothing is
// kept between two requests: the cursor says all. The bytes of a line are given as they were written, UTF-8
// or not; the protocol carries both.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/protocol.hpp"
#include "shared/result.hpp"

namespace pmctl {

// Of JSON in one reply, as near as can be told before it is made; the reply says `more` when it did not
// suffice. One line is given in any case.
constexpr std::size_t log_reply_bytes = std::size_t{256} << 10;

// The position behind a log's last byte, where that is known without looking: a reader that is there already
// costs no look at the disk then.
using KnownLogEnd = std::function<std::optional<std::uint64_t>(const std::string& log_name)>;

// `folder` holds a folder for each log name; `names`: as shown → log name. A name that the cursor does not
// have (it is new) is read from its beginning. `lines` and `since` say where reading begins; what is older
// than `since` is never given. Error: Invalid for a cursor that is none.
Result<LogsReply> read_log_lines(const std::string& folder,
                                 const std::vector<std::pair<std::string, std::string>>& names,
                                 const LogsRequest& request, const KnownLogEnd& known_end = {});

}  // namespace pmctl
