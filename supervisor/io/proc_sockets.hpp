// The TCP sockets of this network namespace, and which process has which, as /proc tells it (proc(5)). What
// is looked for, and why, is port_probe's and peer_process'.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace pmctl {

struct TcpSocket {
    std::uint16_t local_port = 0;
    std::uint16_t remote_port = 0;  // 0: it listens
    bool listens = false;
};

// The names that /proc/PID/fd has for those that are wanted: "socket:[INODE]". Both families.
std::set<std::string> tcp_sockets(const std::function<bool(const TcpSocket&)>& wanted);
// `process`: "/proc/42". False also where one may not look (PTRACE_MODE_READ).
bool holds_one_of(const std::string& process, const std::set<std::string>& sockets);

}  // namespace pmctl
