#include "supervisor/io/loopback.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace pmctl {

namespace {

union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

socklen_t fill(SocketAddress& to, LoopbackAddress address, std::uint16_t port) {
    to = {};
    switch (address) {
        case LoopbackAddress::V4:
            to.v4.sin_family = AF_INET;
            to.v4.sin_port = htons(port);
            to.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            return sizeof to.v4;
        case LoopbackAddress::V6:
            to.v6.sin6_family = AF_INET6;
            to.v6.sin6_port = htons(port);
            to.v6.sin6_addr = IN6ADDR_LOOPBACK_INIT;
            return sizeof to.v6;
    }
    return 0;
}

// tcp(7) does not say it, but a connect to a port of the ephemeral range may be given that very port as its
// own, and then meets itself.
bool reached_itself(int fd, LoopbackAddress address, std::uint16_t port) {
    SocketAddress own{};
    socklen_t size = sizeof own;
    if (::getsockname(fd, &own.any, &size) != 0) return false;
    return ntohs(address == LoopbackAddress::V4 ? own.v4.sin_port : own.v6.sin6_port) == port;
}

}  // namespace

const char* address_text(LoopbackAddress address) {
    return address == LoopbackAddress::V4 ? "127.0.0.1" : "::1";
}

LoopbackAddress other_address(LoopbackAddress address) {
    return address == LoopbackAddress::V4 ? LoopbackAddress::V6 : LoopbackAddress::V4;
}

int open_loopback_socket(LoopbackAddress address) {
    const int family = address == LoopbackAddress::V4 ? AF_INET : AF_INET6;
    const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

ConnectStep connect_loopback(int fd, LoopbackAddress address, std::uint16_t port) {
    using State = ConnectStep::State;
    SocketAddress to{};
    const socklen_t size = fill(to, address, port);
    int status = ::connect(fd, &to.any, size);
    // On loopback the answer has come by the time that the first call returns; the second call tells it, and
    // saves a turn of the loop.
    if (status != 0 && errno == EINPROGRESS) status = ::connect(fd, &to.any, size);
    if (status != 0 && (errno == EALREADY || errno == EINPROGRESS || errno == EINTR)) return {};
    if (status != 0 && errno != EISCONN) return {State::Failed, errno};
    if (reached_itself(fd, address, port)) return {State::Failed, ECONNREFUSED};
    return {State::Connected, 0};
}

bool is_own_lack(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
           error == EADDRNOTAVAIL || error == EAGAIN || error == ENOSPC || error == EPERM || error == EACCES;
}

}  // namespace pmctl
