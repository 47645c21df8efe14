// The store's folder and files as such: made, judged and set aside. What is in them is state_db's.
#pragma once

#include <string>

#include "shared/result.hpp"
#include "shared/time.hpp"

namespace pmctl {

// Makes `state_dir` (0700, and what is above it) where it is missing. Error: Failed, saying what is not
// usable and why.
Result<void> make_state_folder(const std::string& state_dir);
// And the file `path` in it (0600).
Result<void> make_state_files(const std::string& state_dir, const std::string& path);

// Renames `path`, and its `-wal` and `-shm`, to `path`.damaged-<now, UTC>; the value is that name.
Result<std::string> set_aside(const std::string& path, WallTime now);

}  // namespace pmctl
