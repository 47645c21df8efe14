// One client on the control socket: its bytes in and out. When it is asked, answered and given up is
// control_server's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "supervisor/io/control_server.hpp"
#include "supervisor/io/descriptor.hpp"

namespace pmctl {

struct ControlClient {
    ControlServer::Connection number = 0;
    Descriptor fd;  // -1: gone
    Peer peer;
    bool is_greeted = false;
    std::uint32_t watched = 0;  // the epoll events that it is to be told of
    std::string in;
    std::size_t taken = 0;  // of `in`
    std::string out;
    std::size_t sent = 0;  // of `out`

    std::string_view untaken() const { return std::string_view(in).substr(taken); }
    std::size_t backlog() const { return out.size() - sent; }
};

// SO_PEERCRED, unix(7); where the kernel does not say, nobody.
Peer peer_of(int fd);

// What is there, into `in`. False: there is no one any longer.
bool receive(ControlClient& client);
void forget_taken(ControlClient& client);
// A greeting, or a reply with its head and route: as much as the socket takes, the rest later. False: there
// is no one any longer.
bool send_greeting(ControlClient& client);
bool send_reply(ControlClient& client, std::string_view route, std::string_view body);
bool send_backlog(ControlClient& client);
// No more is sent or taken; the loop finds its end.
void hang_up(const ControlClient& client);

}  // namespace pmctl
