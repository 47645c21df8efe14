// The supervisor's own log: text or one JSON object a line, to standard error or a file.
#pragma once

#include <functional>
#include <string>

#include "shared/result.hpp"

namespace pmctl {

// `level`: trace debug info warn error; `format`: text or json; `file`: "" is standard error. Under journald
// (JOURNAL_STREAM, systemd.exec(5)) text has no time and no level of its own, but the prefix of sd-daemon(3).
// A file that reaches 10 MiB is renamed to FILE.1, in place of the one before, and begun anew.
Result<void> start_logging(const std::string& level, const std::string& format, const std::string& file);

// The file is opened by its name again, for those who have renamed it, as logrotate(8) does. Nothing where
// the log is none. Error: it cannot be, and the old one is written on.
Result<void> reopen_log_file();

// What others write to standard error from now on, the runtime's last words in a crash say, goes to the log's
// file, where there is one.
void send_stderr_to_log();

// From now on lines below `error` are written when `later` calls what it is given: at the end of a turn of
// the loop. Nothing (an empty function): each line at once, as at first.
void gather_log_lines(const std::function<void(std::function<void()>)>& later);

}  // namespace pmctl
