#include "supervisor/io/peer_process.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "supervisor/io/proc_files.hpp"
#include "supervisor/io/proc_sockets.hpp"

namespace pmctl {

namespace {

using NameOf = int (*)(int, sockaddr*, socklen_t*);

std::uint16_t port_by(NameOf name_of, int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (name_of(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
    if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

bool session_has_other_end(pid_t session, int connection) {
    const std::uint16_t ours = port_by(::getsockname, connection);
    const std::uint16_t theirs = port_by(::getpeername, connection);
    if (ours == 0 || theirs == 0) return false;
    const auto sockets = tcp_sockets([&](const TcpSocket& each) {
        return !each.listens && each.local_port == theirs && each.remote_port == ours;
    });
    const auto holds = [&](pid_t pid) { return holds_one_of("/proc/" + std::to_string(pid), sockets); };
    if (sockets.empty()) return false;
    if (holds(session)) return true;
    // One that it has started: workers take the connections of many a program.
    const auto pids = all_pids();
    if (!pids) return false;
    for (const pid_t pid : *pids) {
        const auto stat = read_proc_stat(pid);
        if (stat && stat->session == session && holds(pid)) return true;
    }
    return false;
}

}  // namespace pmctl
