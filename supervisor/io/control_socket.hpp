// The listening socket at the control socket's path, from its making to its end. Who connects is
// control_server's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "shared/result.hpp"
#include "supervisor/io/descriptor.hpp"

namespace pmctl {

class ControlSocket {
  public:
    // Does not block, and is closed at an exec. It listens, with this mode and group, when it takes the path;
    // a socket that is there goes. Error: what the system says; other files are left alone.
    static Result<ControlSocket> open(const std::string& path, std::uint32_t mode,
                                      std::optional<gid_t> group);
    // One that listens at this path already (handover.hpp); where the path has gone, a new one.
    static Result<ControlSocket> resume(Descriptor fd, const std::string& path, std::uint32_t mode,
                                        std::optional<gid_t> group);
    ControlSocket(ControlSocket&& other) noexcept
        : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}
    ControlSocket& operator=(ControlSocket&&) = delete;
    ~ControlSocket();  // removes the path

    int fd() const { return fd_.get(); }

  private:
    ControlSocket(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Descriptor fd_;
    std::string path_;
};

}  // namespace pmctl
