#include "supervisor/io/port_probe.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <fstream>
#include <memory>

#include "supervisor/io/listeners.hpp"
#include "supervisor/io/proc_sockets.hpp"

namespace pmctl {

namespace {

using Folder = std::unique_ptr<DIR, int (*)(DIR*)>;

Folder open_folder(const std::string& path) {
    return {::opendir(path.c_str()), ::closedir};
}

}  // namespace

// One socket on the wildcard of both families asks about every address at once: the kernel compares a
// wildcard with any address of its port (inet_csk_bind_conflict; ipv6_rcv_saddr_equal for the families).
// SO_REUSEADDR lets it pass over TIME_WAIT but never over a listener (socket(7)); two that both have it and
// are only bound collide at listen(2), which is why there is more to it than a bind.
PortState port_state(std::uint16_t port) {
    const int fd = listen_everywhere(port, 0);
    if (fd < 0) return errno == EADDRINUSE ? PortState::Taken : PortState::Free;
    ::close(fd);
    return PortState::Free;
}

std::string port_holder(std::uint16_t port) {
    const auto sockets =
        tcp_sockets([port](const TcpSocket& each) { return each.listens && each.local_port == port; });
    if (sockets.empty()) return {};
    const Folder processes = open_folder("/proc");
    if (!processes) return {};
    while (const dirent* entry = ::readdir(processes.get())) {  // NOLINT(concurrency-mt-unsafe): own stream
        if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) == 0) continue;
        const std::string process = std::string("/proc/") + entry->d_name;
        if (!holds_one_of(process, sockets)) continue;
        std::string name;
        std::ifstream comm(process + "/comm");
        std::getline(comm, name);
        return fmt::format("pid {} ({})", entry->d_name, name);
    }
    return {};
}

}  // namespace pmctl
