// The door on the control socket: asks the handler what is asked there, and keeps requests that wait until
// there is something to say. Who may ask is decided here, by uid; connections and bytes are control_server's,
// what a request means is commands'.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "shared/protocol.hpp"
#include "shared/result.hpp"
#include "supervisor/io/control_server.hpp"
#include "supervisor/io/loop.hpp"

namespace pmctl {

struct ControlSettings {
    std::string socket_path;  // its folder is there, and keeps strangers out: 0700, or 0750 with a group
    std::uint32_t mode = 0600;
    std::optional<gid_t> group;  // its members may ask too
    uid_t own_uid = 0;
};

// What a waiting request waits for.
enum class Topic { Status, Events, Logs, Routes, Upgrade };

class Control {
  public:
    struct Answer {
        // Nothing: there is nothing to say yet. With `may_park` the request is then kept, and asked again
        // after wake() and, without `may_park`, when its time is up.
        std::optional<Result<Reply>> reply;
        std::uint64_t held_until = 0;  // it is kept back until release() has said this number; they rise

        Answer(std::optional<Result<Reply>> what,
               std::uint64_t number = 0)  // NOLINT(google-explicit-constructor)
            : reply(std::move(what)), held_until(number) {}
    };
    using Handler = std::function<Answer(const Request& request, bool may_park, const Peer& peer)>;

    static constexpr std::size_t max_parked = 4096;
    // Longer waits are cut to this: whoever still wants to wait asks again.
    static constexpr Duration max_wait = std::chrono::seconds(60);
    // Followers of logs are told at most so often, so that a child that writes without end costs batches.
    static constexpr Duration logs_pace = std::chrono::milliseconds(5);

    // Listens; a socket file that is there is taken for a dead supervisor's: the caller holds the pid file's
    // lock. `on_refused` hears of a uid that may not ask, at most every few seconds for one uid. Error:
    // Invalid for a path over 107 bytes, Failed with the system's reason.
    // `left`: of an earlier program.
    static Result<Control> listen(Loop& loop, ControlSettings settings, Handler handler,
                                  std::function<void(uid_t)> on_refused, ControlServer::Left left = {});
    Control(Control&&) noexcept;
    Control& operator=(Control&&) noexcept;
    ~Control();  // closes, and removes the socket file

    // Something of this topic changed: its waiting requests are asked again, once, when this turn is over.
    void wake(Topic topic);
    std::size_t parked() const;
    // Replies that are held for this number, or a lower one, go out.
    void release(std::uint64_t number);
    std::size_t held() const;
    // Waits until all replies have left this process, but not longer than this.
    void flush(Duration patience);
    // For the next program: what listens, and the clients that have said hello and no more. What has been
    // told to the others, as the number of a generation, has no meaning there: they begin anew.
    ControlServer::Left leave();

  private:
    struct Inner;
    explicit Control(std::shared_ptr<Inner> inner);
    std::shared_ptr<Inner> inner_;
};

}  // namespace pmctl
