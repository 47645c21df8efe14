// Where the demo admin service's secret comes from: a private file or the environment.
#pragma once

#include <optional>
#include <string>

#include "shared/result.hpp"

namespace pmctl {

struct DemoSecretSource {
    std::string file;      // "": not given
    std::string variable;  // "": not given, then INTERNAL_SECRET
    bool no_auth = false;
};

// None with no_auth. Error: Invalid where none is given; Failed for a file that cannot be read, is empty, or
// that others may read.
Result<std::optional<std::string>> read_demo_secret(const DemoSecretSource& source);

}  // namespace pmctl
