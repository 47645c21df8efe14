// What can be told from the whole alone: names that nobody has, ports and hostnames that two claim, values
// that contradict each other. Types and single values were config_parse's.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "supervisor/core/config_layers.hpp"
#include "supervisor/core/config_merge.hpp"
#include "supervisor/core/problem.hpp"

namespace pmctl {

struct CheckedConfig {
    const LayerIndex* index = nullptr;
    const std::vector<MergedInstance>* instances = nullptr;  // sorted by id
    const GlobalSettings* globals = nullptr;                 // with the default folders filled in
    const Environment* environment = nullptr;                // as children are to inherit it
    bool has_admin = false;
    bool complete = true;  // false: a file could not be parsed, so that a missing name proves nothing
    bool env_complete =
        true;  // false: an env_file could not be read, so that an unset ${NAME} proves nothing
};

// Of [http] listen; 0 for a socket in the file system and for none.
std::uint16_t listen_port(std::string_view listen);

// All problems; each with the place of the value that is to blame, or of the block where it is missing. A
// fault in a template is told once, with the first instance that shows it.
std::vector<Problem> check_config(const CheckedConfig& config);

}  // namespace pmctl
