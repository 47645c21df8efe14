// The listening end of the control socket. nng 1.5.2 has a fault (its issue 1518): a peer that connects and
// goes away before its greeting ends the listener's accepting for good. So connections are counted here, by
// the readiness of the listening descriptor, and the pipes that nng makes of them; when one stays out, a
// listener is opened anew on the same path. Connections that are open stay so.
#pragma once

#include <nng/nng.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>

#include "shared/result.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

class ControlListener {
  public:
    // Outlived by nothing that uses `socket`: it is to be closed first.
    ControlListener(Loop& loop, std::string path, std::uint32_t mode, std::optional<gid_t> group);
    ControlListener(const ControlListener&) = delete;
    ControlListener& operator=(const ControlListener&) = delete;
    ~ControlListener();

    // Binds, then sets group and mode. A socket file that is there is taken for one that a dead supervisor
    // left: whoever calls holds the pid file's lock.
    Result<void> open(nng_socket socket);

  private:
    // A greeting takes microseconds; a peer that was slower is served by the old listener all the same.
    static constexpr Duration greeting_time = std::chrono::milliseconds(250);
    static constexpr Duration retry_time = std::chrono::seconds(1);
    static constexpr std::size_t most_kept = 8;  // old listeners with the connections that came by them

    Result<void> bind();
    Result<void> watch(const std::set<int>& others);
    void unwatch();
    void expect();
    void look();

    Loop& loop_;
    std::string path_;
    std::uint32_t mode_;
    std::optional<gid_t> group_;
    Timer timer_;
    nng_socket socket_ = NNG_SOCKET_INITIALIZER;
    std::deque<nng_listener> listeners_;  // the last one is the path's
    int watched_ = -1;                    // a duplicate of its descriptor
    std::uint64_t connections_ = 0;       // of the last listener, at least
    std::uint64_t expected_ = 0;          // so many are to be pipes when the timer is due
    std::atomic<std::uint64_t> pipes_ = 0;
};

}  // namespace pmctl
