// Which configuration file is meant, in the order that both programs share. Reading it is text_file.hpp's.
#pragma once

#include <string>
#include <string_view>

#include "shared/result.hpp"

namespace pmctl {

// --config FILE, then $PMCTL_CONFIG, then pmctl.toml in `working_dir` or the nearest of its parents, then
// /etc/pmctl/pmctl.toml. "" for a flag or variable that was not given. The result is absolute with its
// symbolic links resolved. Invalid: a file that was named and is not there, or none found at all, saying
// where was looked.
Result<std::string> find_config(std::string_view flag, std::string_view config_env,
                                const std::string& working_dir);

}  // namespace pmctl
