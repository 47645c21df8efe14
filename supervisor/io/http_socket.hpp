// The listening socket of an HTTP server: from its address in the configuration to a descriptor.
#pragma once

#include <cstdint>
#include <string>

#include "shared/result.hpp"
#include "supervisor/io/descriptor.hpp"

namespace pmctl {

struct HttpSocket {
    int fd = -1;
    std::uint16_t port = 0;  // 0: a Unix socket
    std::string path;        // of a Unix socket, to be removed at the end
};

// "HOST:PORT" or "unix:/PATH"; the socket does not block and is closed at an exec. Error: which call failed,
// and who has the port where that can be told.
Result<HttpSocket> open_http_socket(const std::string& address);
// One that listens at this address already (handover.hpp).
HttpSocket resume_http_socket(const std::string& address, Descriptor fd);

}  // namespace pmctl
