// The group that [supervisor] socket_group admits to the control socket, by name or number.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "shared/result.hpp"

namespace pmctl {

// "": none. Error: Invalid for a name that the group database does not have.
Result<std::optional<gid_t>> find_socket_group(const std::string& name);

}  // namespace pmctl
