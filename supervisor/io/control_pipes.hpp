// The pipes of the control socket, as nng's threads tell of them, kept for the loop to ask about. What
// follows from their coming and going is the ControlListener's.
#pragma once

#include <nng/nng.h>

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace pmctl {

class ControlPipes {
  public:
    // `tell`: on any thread, that there is news; once until it is taken.
    explicit ControlPipes(std::function<void()> tell) : tell_(std::move(tell)) {}
    ControlPipes(const ControlPipes&) = delete;
    ControlPipes& operator=(const ControlPipes&) = delete;

    // This has to stay until the socket is closed.
    void follow(nng_socket socket);
    // `tell` is not called any more.
    void mute();

    struct News {
        bool others = false;  // came or went, which are not of this process
        int own_came_by = 0;  // the listener by which one of this process came; 0: none
    };
    News take_news();
    // Those by which a pipe has come that is still open.
    std::set<int> listeners() const;

  private:
    struct Pipe {
        int listener = 0;
        bool is_own = false;
    };

    static void report(nng_pipe pipe, nng_pipe_ev event, void* pipes);
    void add(nng_pipe pipe);
    void remove(nng_pipe pipe);
    void say();

    mutable std::mutex mutex_;
    std::map<int, Pipe> open_;
    News news_;
    bool is_told_ = false;
    std::function<void()> tell_;
};

}  // namespace pmctl
