// Why an execve(2) failed, in words: the same errno stands for a missing program, a missing interpreter and a
// folder that may not be searched. Looks at files after the fact; for messages alone.
#pragma once

#include <string>

namespace pmctl {

// `program` is argv[0] as configured; without a slash it was looked up in `search_path`. Relative names are
// relative to `working_dir`. "exec './x': the interpreter '/usr/bin/foo' named on its first line does not
// exist".
std::string describe_exec_failure(const std::string& program, const std::string& search_path,
                                  const std::string& working_dir, int error_number);

}  // namespace pmctl
