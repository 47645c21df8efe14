#include "supervisor/io/port_probe.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include "supervisor/io/listeners.hpp"

namespace pmctl {

namespace {

// "socket:[INODE]" of every listener on the port, as /proc/PID/fd names them.
void add_listeners(const char* table, std::uint16_t port, std::set<std::string>& into) {
    // "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode": proc(5)
    constexpr const char* listening = "0A";
    const std::string suffix = fmt::format(":{:04X}", port);
    std::ifstream file(table);
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::array<std::string, 10> word;
        for (std::string& each : word) words >> each;
        if (word[1].ends_with(suffix) && word[3] == listening) into.insert("socket:[" + word[9] + "]");
    }
}

using Folder = std::unique_ptr<DIR, int (*)(DIR*)>;

Folder open_folder(const std::string& path) {
    return {::opendir(path.c_str()), ::closedir};
}

bool holds_one_of(const std::string& process, const std::set<std::string>& sockets) {
    const Folder folder = open_folder(process + "/fd");
    if (!folder) return false;
    while (const dirent* entry = ::readdir(folder.get())) {  // NOLINT(concurrency-mt-unsafe): own stream
        std::array<char, 64> target{};
        const ssize_t length =
            ::readlinkat(::dirfd(folder.get()), entry->d_name, target.data(), target.size());
        if (length > 0 && sockets.contains(std::string(target.data(), static_cast<std::size_t>(length))))
            return true;
    }
    return false;
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
    std::set<std::string> sockets;
    add_listeners("/proc/net/tcp", port, sockets);
    add_listeners("/proc/net/tcp6", port, sockets);
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
