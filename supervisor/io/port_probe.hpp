// Is a port free, and who has it if not: for giving ports out and for messages. Which port is given out is
// core/ports.hpp's.
#pragma once

#include <cstdint>
#include <string>

#include "supervisor/effects.hpp"

namespace pmctl {

// Binds and listens for a moment, and leaves nothing open. Any live listener of this network namespace is
// found, on whatever address and family, with SO_REUSEADDR or SO_REUSEPORT or without; connections of an
// earlier one in TIME_WAIT are not taken for one. Where it cannot be told (no descriptor, not permitted):
// Free.
PortState port_state(std::uint16_t port);

// "pid 4242 (nginx)" from /proc/net/tcp and /proc/PID/fd; "" where nobody listens or the process is not ours
// to see.
std::string port_holder(std::uint16_t port);

}  // namespace pmctl
