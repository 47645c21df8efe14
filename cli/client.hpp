// The connection to a supervisor: a Request goes out, its Reply comes back. Nothing that changes anything is
// ever sent again; what only asks is, where the supervisor has replaced its own program meanwhile. What is
// asked and shown is the commands'.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "shared/protocol.hpp"
#include "shared/result.hpp"

namespace pmctl {

class Client {
  public:
    // Error: Unavailable where nobody listens, Denied where the socket may not be opened. One that lives and
    // does not listen, since it begins or replaces its program, is waited for a moment.
    static Result<Client> connect(const std::string& socket_path);
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;
    ~Client();

    static constexpr Duration patience = std::chrono::seconds(30);
    // Sends and waits: as long as the request asks to be parked, and `limit` beyond that. Error: what the
    // supervisor answered, Unavailable when it went away, Timeout.
    Result<Reply> ask(const Request& request, Duration limit = patience);
    // The same, and of the one type that this request is answered with.
    template <class T>
    Result<T> ask_for(const Request& request, Duration limit = patience) {
        auto reply = ask(request, limit);
        if (!reply) return tl::unexpected(reply.error());
        T* found = std::get_if<T>(&*reply);
        if (found == nullptr) return fail("the supervisor's answer is of an unexpected type");
        return std::move(*found);
    }

    // The connection is lost, and its supervisor lives, whatever program it is by now: connects to it anew,
    // as soon as it listens, within `patience`. False: it has ended, or does not listen.
    bool come_back(Duration patience);
    // How many it has had: 1 after connect. Over another one another program may answer, whose generations
    // begin anew; where there is one more after an ask, all was asked for, not what is new since one.
    std::uint64_t connections() const;

    // It is not closed, not by its destructor either: for a process that is about to end, which nng's close
    // might hold up (nng_handles.hpp).
    void leave_to_process_end();

    // For those who wait for several things at once: send, poll fd() for POLLIN, receive. A new request
    // supersedes one that was not answered yet.
    Result<void> send(const Request& request);
    int fd() const;
    // The supervisor's process as it is numbered here; 0 before its first answer.
    int peer_pid() const;
    std::optional<Result<Reply>> receive();  // nothing: not yet

  private:
    static Result<Client> connect_once(const std::string& socket_path);
    Result<Reply> ask_once(const Request& request, Duration limit);

    struct Inner;
    explicit Client(std::unique_ptr<Inner> inner);
    std::unique_ptr<Inner> inner_;
};

}  // namespace pmctl
