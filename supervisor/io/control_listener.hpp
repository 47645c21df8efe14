// The listening end of the control socket. nng 1.5.2 has a fault (its issue 1518): a peer that connects and
// is gone before nng greets it leaves the listener deaf, which means that who connects after it is never
// answered. So after connections have come or gone we connect ourselves, and where nng does not make a pipe
// of that, another listener takes the path. The old one is closed when the last connection that came by it
// has ended; those that it never answered end with it, though nng keeps their descriptors.
#pragma once

#include <nng/nng.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "shared/result.hpp"
#include "supervisor/io/control_pipes.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

class ControlListener {
  public:
    ControlListener(Loop& loop, std::string path, std::uint32_t mode, std::optional<gid_t> group);
    ControlListener(const ControlListener&) = delete;
    ControlListener& operator=(const ControlListener&) = delete;
    ~ControlListener();  // removes the path; the listeners go with the socket, which is to be closed first

    // Listens for `socket` at the path, which has its group and mode from the first moment on. A socket file
    // that is there is taken for one that a dead supervisor left: whoever calls holds the pid file's lock.
    Result<void> open(nng_socket socket);

    // The socket could not be closed: threads of nng's may still tell of its pipes.
    void leave_behind();

  private:
    // From a connection to the trial: what comes together is tried together, and commands in a row are not
    // held up by it.
    static constexpr Duration settling_time = std::chrono::milliseconds(50);
    // From the greeting, which a deaf one sends too, to the pipe: microseconds, or when nng's threads come to
    // it on a busy machine. To take one for deaf that is not costs those a second try that are connecting
    // just then. Twice at least; and so many times where there is no greeting.
    static constexpr Duration trial_time = std::chrono::milliseconds(80);
    static constexpr int most_waits = 60;
    static constexpr Duration retry_time = std::chrono::seconds(1);  // after a lack of descriptors
    static constexpr std::size_t most_kept = 8;  // old listeners; one more closes the oldest, used or not

    enum class Stage { Quiet, Settling, Trying, Lacking };

    Result<void> bind();
    Result<void> watch();
    void unwatch();
    std::string next_address();
    void enter(Stage stage, Duration time);
    void connected();
    void told();
    void time_is_up();
    void try_it();
    bool is_greeted() const;
    void heard();
    void end_trial();
    void replace();
    void close_unused();

    Loop& loop_;
    std::string path_;
    std::uint32_t mode_;
    std::optional<gid_t> group_;
    Timer timer_;
    nng_socket socket_ = NNG_SOCKET_INITIALIZER;
    std::deque<nng_listener> listeners_;  // the last one is the path's
    unsigned bound_ = 0;                  // how many there have been
    std::string address_;                 // what the last one was bound to
    int watched_ = -1;                    // a duplicate of its descriptor; -1: it could not be
    Stage stage_ = Stage::Quiet;
    int trial_ = -1;          // our own connection
    int waited_ = 0;          // how often it was waited for
    bool came_more_ = false;  // others, since it was opened
    int edges_ = 0;           // of the listening descriptor since then, with our own
    std::shared_ptr<void> alive_ = std::make_shared<char>();
    std::unique_ptr<ControlPipes> pipes_;
};

}  // namespace pmctl
