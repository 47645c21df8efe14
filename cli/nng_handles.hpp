// RAII for nng's sockets and messages. What is sent over them is protocol's.
#pragma once

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include <chrono>
#include <csignal>
#include <future>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace pmctl {

class NngSocket {
  public:
    NngSocket() = default;
    explicit NngSocket(nng_socket socket) : socket_(socket) {}
    NngSocket(NngSocket&& other) noexcept : socket_(std::exchange(other.socket_, none())) {}
    NngSocket& operator=(NngSocket&& other) noexcept {
        std::swap(socket_, other.socket_);
        return *this;
    }
    ~NngSocket() { close(); }

    // nng 1.5.2 may wait for ever in nng_close: where a connection is closed between two parts of a message,
    // the end of what is under way is lost (ipc_pipe_close in its src/sp/transport/ipc/ipc.c lets the next
    // part's nni_aio_begin fail, which calls nobody back), and the one thread that frees connections waits
    // for it. So a thread closes the socket, and is left behind when it takes too long: false. What callbacks
    // of the socket use has to stay then; the end of the process ends it all.
    bool close() {
        if (nng_socket_id(socket_) <= 0) return true;
        const nng_socket closing = std::exchange(socket_, none());
        try {
            std::promise<void> closed;
            const auto is_closed = closed.get_future();
            std::thread([closing, closed = std::move(closed)]() mutable {
                nng_close(closing);
                closed.set_value();
            }).detach();
            return is_closed.wait_for(closing_patience) == std::future_status::ready;
        } catch (const std::system_error&) {  // no thread is to be had: it is closed with the process
            return false;
        }
    }

    // It ends with the process; what its callbacks use has to stay. False: it is closed already.
    bool leave() { return nng_socket_id(std::exchange(socket_, none())) > 0; }

    nng_socket get() const { return socket_; }
    nng_socket* out() { return &socket_; }  // for the calls that open one

  private:
    static constexpr std::chrono::seconds closing_patience{1};
    static nng_socket none() { return NNG_SOCKET_INITIALIZER; }
    nng_socket socket_ = NNG_SOCKET_INITIALIZER;
};

class NngMessage {
  public:
    NngMessage() = default;
    explicit NngMessage(nng_msg* message) : message_(message) {}
    NngMessage(NngMessage&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}
    NngMessage& operator=(NngMessage&& other) noexcept {
        std::swap(message_, other.message_);
        return *this;
    }
    ~NngMessage() {
        if (message_ != nullptr) nng_msg_free(message_);
    }

    nng_msg* get() const { return message_; }
    nng_msg* release() { return std::exchange(message_, nullptr); }
    std::string_view body() const {
        return {static_cast<const char*>(nng_msg_body(message_)), nng_msg_len(message_)};
    }

  private:
    nng_msg* message_ = nullptr;
};

// To be held while the first socket is opened: nng starts its threads then (13 on two cores; 1.5 has no way
// to say how many), and with every signal blocked meanwhile none of them is ever delivered one that is meant
// for the program.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_{};
};

inline std::string nng_text(int error) {
    return nng_strerror(error);
}

}  // namespace pmctl
