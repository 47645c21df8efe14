// The supervisor's own log: text or one JSON object a line, to standard error or a file.
#pragma once

#include <string>

#include "shared/result.hpp"

namespace pmctl {

// `level`: trace debug info warn error; `format`: text or json; `file`: "" is standard error. Under journald
// (JOURNAL_STREAM, systemd.exec(5)) text has no time and no level of its own, but the prefix of sd-daemon(3).
Result<void> start_logging(const std::string& level, const std::string& format, const std::string& file);

}  // namespace pmctl
