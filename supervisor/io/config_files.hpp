// Reads a configuration's files: the main one, what it includes, and the env_files that they name. What they
// mean is core/config_load's.
#pragma once

#include <cstdint>
#include <string>

#include "supervisor/core/config_load.hpp"

namespace pmctl {

// `path`: of the main file, as find_config gives it. An include pattern is seen from the folder of the main
// file; its matches are read in the order of their names, pattern by pattern, each file once. A glob without
// a match is fine, a plain path that is not there is a problem. Included files include nothing themselves. A
// file over max_config_bytes, or one that cannot be read, is a problem of its own, and the others are still
// checked.
LoadedConfig load_config(const std::string& path, const Surroundings& surroundings);

// The supervisor's own environment as a map; of a name that comes twice the first counts, as with getenv(3).
Surroundings surroundings_of(const char* const* environ_list, std::uint32_t uid);

}  // namespace pmctl
