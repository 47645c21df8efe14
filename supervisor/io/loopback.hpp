// TCP connections to ports of this machine, opened without waiting. When to go on, and what a connection is
// for, is the caller's.
#pragma once

#include <cstdint>

namespace pmctl {

enum class LoopbackAddress : std::uint8_t { V4, V6 };

const char* address_text(LoopbackAddress address);  // "127.0.0.1", "::1"
LoopbackAddress other_address(LoopbackAddress address);

// A non-blocking, close-on-exec TCP socket; below zero: the negated errno.
int open_loopback_socket(LoopbackAddress address);

struct ConnectStep {
    enum class State { Connected, Pending, Failed };
    State state = State::Pending;
    int error = 0;  // errno of a failed one
};

// connect(2), called again to see how far a pending one is. A socket that reached itself (nobody listens, and
// the kernel chose the same port for this end) counts as refused.
ConnectStep connect_loopback(int fd, LoopbackAddress address, std::uint16_t port);

// Is this errno of socket(2), connect(2) or send(2) a lack on this side, which says nothing about the peer?
bool is_own_lack(int error);

}  // namespace pmctl
