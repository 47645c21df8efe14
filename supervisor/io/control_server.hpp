// The supervisor's end of its control socket: connections of nng's REQ sockets, their requests, and the
// replies to them. It is no socket of nng's: version 1.5.2 loses the end of an operation where a client
// leaves while a long reply is on its way to it, frees no connection any more from then on, and goes deaf
// where one leaves before its greeting (nng's issue 1518). On the loop's one thread there is neither. Who may
// ask, and what a request means, is control's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/result.hpp"
#include "shared/time.hpp"
#include "supervisor/io/descriptor.hpp"
#include "supervisor/io/loop.hpp"

namespace pmctl {

// Whose process has the other end: SO_PEERCRED, unix(7).
struct Peer {
    uid_t uid = 0;
    gid_t gid = 0;
    pid_t pid = 0;
};

class ControlServer {
  public:
    using Connection = std::uint64_t;  // never used again

    struct Request {
        Connection from = 0;
        Peer peer;
        std::string_view route;  // for reply
        std::string_view body;   // both are good until the handler returns
    };
    struct Hooks {
        std::function<void(const Request&)> asked;
        std::function<void(Connection)> gone;  // not within reply, and not at the end of the server
    };

    // The last 64 of them are kept for root and the supervisor's own user.
    static constexpr std::size_t max_connections = 4096;
    // nng's own patience with one that connects and says nothing.
    static constexpr Duration greeting_time = std::chrono::seconds(10);
    // Who lets so much wait for it, and is to get still more, does not read.
    static constexpr std::size_t max_backlog_bytes = std::size_t{16} << 20;

    struct Place {
        std::string path;
        std::uint32_t mode = 0600;
        std::optional<gid_t> group;
        Duration patience = greeting_time;
    };
    // What an earlier program leaves to this one.
    struct Left {
        Descriptor listening;             // at the place; -1: nothing was left
        std::vector<Descriptor> clients;  // which have been greeted, and wait for no reply
    };
    // The path has its group and mode from the first moment on. A socket file that is there is taken for one
    // that a dead supervisor left: whoever calls holds the pid file's lock. Error: what the system says.
    static Result<std::unique_ptr<ControlServer>> listen(Loop& loop, const Place& place, Hooks hooks,
                                                         Left left = {});
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;
    ~ControlServer();  // closes all, and removes the path

    // To nobody where the connection has gone.
    void reply(Connection to, std::string_view route, std::string_view body);
    // Waits until all replies have left this process, but not longer than this.
    void flush(Duration patience);
    // Copies that stay open over an exec: of what listens, and of the clients that may go on with another
    // program. What they have sent and was not looked at yet is that program's; of whom half a message has
    // been taken is not among them.
    Left leave(const std::function<bool(Connection)>& may_go_on);

  private:
    struct Inner;
    explicit ControlServer(std::unique_ptr<Inner> inner);
    std::unique_ptr<Inner> inner_;
};

}  // namespace pmctl
