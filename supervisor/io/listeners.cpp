#include "supervisor/io/listeners.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pmctl {

namespace {

// The socket, or -1 and errno.
int listen_on(int family, std::uint16_t port, int backlog) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    const int on = 1;
    const int off = 0;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int bound = -1;
    if (family == AF_INET6) {
        ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(port);
        bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    } else {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    if (bound == 0 && ::listen(fd, backlog) == 0) return fd;
    const int error = errno;
    ::close(fd);
    errno = error;
    return -1;
}

}  // namespace

int listen_everywhere(std::uint16_t port, int backlog) {
    const int fd = listen_on(AF_INET6, port, backlog);
    // Not in the kernel, or turned off: one family is left.
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) return listen_on(AF_INET, port, backlog);
    return fd;
}

Listeners::~Listeners() {
    for (const auto& [port, fd] : sockets_) ::close(fd);
}

Result<int> Listeners::open(std::uint16_t port) {
    if (const auto found = sockets_.find(port); found != sockets_.end()) return found->second;
    const int fd = listen_everywhere(port, SOMAXCONN);
    if (fd < 0) return fail(fmt::format("listening on port {}: {}", port, std::strerror(errno)));
    sockets_[port] = fd;
    return fd;
}

void Listeners::close(std::uint16_t port) {
    const auto found = sockets_.find(port);
    if (found == sockets_.end()) return;
    ::close(found->second);
    sockets_.erase(found);
}

}  // namespace pmctl
