#include "supervisor/io/proc_sockets.hpp"

#include <dirent.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

namespace pmctl {

namespace {

// "0100007F:1F90"
std::uint16_t port_in(const std::string& address) {
    const auto colon = address.rfind(':');
    if (colon == std::string::npos) return 0;
    return static_cast<std::uint16_t>(std::strtoul(address.c_str() + colon + 1, nullptr, 16));
}

void add_sockets(const char* table, const std::function<bool(const TcpSocket&)>& wanted,
                 std::set<std::string>& into) {
    // "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode": proc(5)
    constexpr const char* listening = "0A";
    std::ifstream file(table);
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::array<std::string, 10> word;
        for (std::string& each : word) words >> each;
        if (wanted({port_in(word[1]), port_in(word[2]), word[3] == listening}))
            into.insert("socket:[" + word[9] + "]");
    }
}

}  // namespace

std::set<std::string> tcp_sockets(const std::function<bool(const TcpSocket&)>& wanted) {
    std::set<std::string> found;
    add_sockets("/proc/net/tcp", wanted, found);
    add_sockets("/proc/net/tcp6", wanted, found);
    return found;
}

bool holds_one_of(const std::string& process, const std::set<std::string>& sockets) {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir((process + "/fd").c_str()), ::closedir);
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

}  // namespace pmctl
