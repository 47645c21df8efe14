#include "supervisor/io/listeners.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "supervisor/io/pidfd.hpp"

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

bool listens_on(int fd, std::uint16_t port) {
    int listens = 0;
    socklen_t size = sizeof listens;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) return false;
    sockaddr_storage address{};
    size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
    if (address.ss_family == AF_INET)
        return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port) == port;
    if (address.ss_family == AF_INET6)
        return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port) == port;
    return false;
}

// Where sd_listen_fds(3) has it first, since programs seldom move it.
std::vector<int> descriptors_of(pid_t pid) {
    constexpr int first = 3;
    std::vector<int> numbers = {first};
    std::error_code error;
    std::filesystem::directory_iterator folder(fmt::format("/proc/{}/fd", pid), error);
    for (; !error && folder != std::filesystem::directory_iterator(); folder.increment(error)) {
        const int fd = std::atoi(folder->path().filename().c_str());
        if (fd != first) numbers.push_back(fd);
    }
    return numbers;
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
    if (auto taken = taken_.extract(port)) return sockets_[port] = taken.mapped().release();
    const int fd = listen_everywhere(port, SOMAXCONN);
    if (fd < 0) return fail(fmt::format("listening on port {}: {}", port, std::strerror(errno)));
    sockets_[port] = fd;
    return fd;
}

void Listeners::take(std::uint16_t port, Descriptor socket) {
    if (listens_on(socket.get(), port)) taken_[port] = std::move(socket);
}

void Listeners::close(std::uint16_t port) {
    const auto found = sockets_.find(port);
    if (found == sockets_.end()) return;
    ::close(found->second);
    sockets_.erase(found);
}

Result<void> Listeners::adopt(std::uint16_t port, int pidfd, pid_t pid) {
    if (sockets_.contains(port)) return {};
    if (taken_.contains(port) && open(port)) return {};
    std::string refused;
    for (const int number : descriptors_of(pid)) {
        auto got = descriptor_of(pidfd, number);
        if (!got && got.error().kind == ErrorKind::NotFound) continue;
        if (!got) {
            refused = got.error().message;
            break;
        }
        if (!listens_on(got->get(), port)) continue;
        sockets_[port] = got->release();
        return {};
    }
    if (refused.empty() && open(port)) return {};
    if (refused.empty()) refused = "it has none, and nobody else can bind the port";
    return fail(
        fmt::format("the listening socket of port {} cannot be had from pid {}: {}", port, pid, refused));
}

}  // namespace pmctl
