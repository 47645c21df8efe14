// The one line of a secret file. What it is sent to, and how often it is read again, is the caller's.
#pragma once

#include <string>

#include "shared/result.hpp"

namespace pmctl {

constexpr std::size_t max_secret_bytes = 4096;

// The file's text without the newline at its end. Symbolic links are followed, since Kubernetes mounts
// secrets as such; what is judged is the file that was opened: a regular one, of root or of the effective
// user, with no permission for group or others. Error: Denied where somebody else might read or have written
// it, Invalid for an empty, too long or not printable secret, Failed with the system's reason. No error shows
// its text.
Result<std::string> read_secret_file(const std::string& path);

// A secret that comes from elsewhere, such as the environment. Error: Invalid, what is wrong with it: it is
// empty, too long, or has a control character, which would break the header that it goes into.
Result<void> check_secret(const std::string& secret);

}  // namespace pmctl
