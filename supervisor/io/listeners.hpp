// The listening sockets of socket_activation: opened once, kept over the lives of the programs that they are
// handed to, so that no connection is refused in between. Handing over is spawn's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/result.hpp"
#include "supervisor/io/descriptor.hpp"

namespace pmctl {

// A socket that listens on every address of both families (of IPv4 alone where there is no IPv6), with
// SO_REUSEADDR, blocking, close-on-exec. -1 and errno: EADDRINUSE where anybody listens on any of them.
int listen_everywhere(std::uint16_t port, int backlog);

class Listeners {
  public:
    Listeners() = default;
    ~Listeners();
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

    // The socket for this port, opened if it is not yet; it stays this object's. Error: "listening on port
    // 80: Permission denied".
    Result<int> open(std::uint16_t port);
    void close(std::uint16_t port);
    // One that this process opened before it replaced its program: what opens or adopts this port gets it.
    void take(std::uint16_t port, Descriptor socket);
    // Nobody wants the others.
    void close_taken() { taken_.clear(); }
    std::vector<std::pair<std::uint16_t, int>> all() const { return {sockets_.begin(), sockets_.end()}; }
    // Takes the socket that an earlier supervisor gave to this process, which lives and so keeps it open: to
    // bind another one is not possible. Where the process has closed it a new one is opened. Error: "the
    // listening socket of port 80 cannot be had from pid 42: Operation not permitted".
    Result<void> adopt(std::uint16_t port, int pidfd, pid_t pid);

  private:
    std::unordered_map<std::uint16_t, int> sockets_;
    std::unordered_map<std::uint16_t, Descriptor> taken_;
};

}  // namespace pmctl
