// The loop: one thread, on which all state lives. Descriptors are watched through one epoll of the loop's
// own, which Asio watches in turn, so that a thousand of them cost no memory of Asio's and are handled in
// batches; what needs more than readiness (HTTP) uses context(). What an event means is its owner's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shared/result.hpp"
#include "shared/time.hpp"

namespace boost::asio {
class io_context;
}

namespace pmctl {

class Loop {
  public:
    using Ready = std::function<void(std::uint32_t epoll_events)>;
    using Callback = std::function<void()>;

    // `on_bug` hears of an exception that left a callback; the loop goes on. Throws std::system_error where
    // the kernel gives no epoll: there is nothing to run without one.
    explicit Loop(std::function<void(const std::string&)> on_bug);
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    boost::asio::io_context& context();

    // `events` as in epoll_ctl(2), level-triggered unless EPOLLET is among them. One watch a descriptor;
    // unwatch before close. `ready` may unwatch its own descriptor, or any other.
    Result<void> watch(int fd, std::uint32_t events, Ready ready);
    Result<void> rewatch(int fd, std::uint32_t events);  // other events, same callback
    void unwatch(int fd);
    // The same for one that is closed next, by the last who holds what it stands for (not only the last
    // descriptor here: a child may have it too): the close takes it off the epoll, epoll(7), Q6.
    void forget(int fd);

    // When all events that are ready now have been handled; in the order asked for.
    void later(Callback callback);
    // The same for another thread: safe at any time while the Loop exists.
    void from_any_thread(Callback callback);
    // One wish; a new one replaces the last, max() is never. `on_wake` is set once, before run.
    void on_wake(Callback callback);
    void wake_at(TimePoint when);

    void run();
    void stop();

    static Now now();

  private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace pmctl
