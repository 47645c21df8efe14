// What [admin] names outside of the configuration: the secret, in a file or a variable, and the file of
// certificates. Who reads the files, and whose they may be, is io/config_files's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/result.hpp"
#include "supervisor/core/config_parse.hpp"
#include "supervisor/core/problem_list.hpp"

namespace pmctl {

// Absolute; "" where it names none.
struct AdminPaths {
    std::string secret_file;
    std::string ca_file;
};
AdminPaths admin_paths_of(const std::vector<ParsedFile>& files);

// What reading them came to.
struct AdminFiles {
    std::optional<Result<std::string>> secret;  // absent: not tried
    std::string ca_fault;                       // why ca_file cannot be read; ""
};

// The secret, "" with a problem. `environment`: the supervisor's own. A secret goes into a header, so it has
// printable ASCII alone (RFC 9110, section 5.5), and at least one character.
std::string check_admin_files(const AdminSettings& admin, const AdminFiles& files,
                              const Environment& environment, ProblemList& problems);

// InstanceSpec::process.secret_mark for an instance that is given this secret.
void mark_secret(InstanceSpec& spec, const std::string& secret);

}  // namespace pmctl
