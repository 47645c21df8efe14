// A client of the control socket without nng: it may send what nng never would, leave whenever it likes, and
// not read.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "supervisor/io/nng_wire.hpp"

namespace pmctl {

class PlainClient {
  public:
    explicit PlainClient(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    PlainClient(const PlainClient&) = delete;
    PlainClient& operator=(const PlainClient&) = delete;
    PlainClient(PlainClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    PlainClient& operator=(PlainClient&&) = delete;
    ~PlainClient() { close(); }

    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    int fd() const { return fd_; }

    static std::string message(std::string_view route, std::string_view body) {
        const auto head = message_head(route.size() + body.size());
        return std::string(head.data(), head.size()).append(route).append(body);
    }
    static std::string request(std::uint32_t number, std::string_view body) {
        std::string route("\x80\0\0\0", 4);
        for (std::size_t i = 3; i > 0; --i, number >>= 8) route[i] = static_cast<char>(number & 0xff);
        return message(route, body);
    }

    // All of it, or what the socket takes at once.
    void send(std::string_view bytes) const {
        REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
    }
    std::size_t offer(std::string_view bytes) const {
        const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    void greet() const { send(requester_greeting); }

    // What there is now.
    std::string received() const {
        std::string all;
        std::string piece(std::size_t{64} << 10, '\0');
        while (true) {
            const ssize_t count = ::recv(fd_, piece.data(), piece.size(), MSG_DONTWAIT);
            if (count <= 0) return all;
            all.append(piece, 0, static_cast<std::size_t>(count));
        }
    }
    // It has been hung up on, and all that was said before has been received.
    bool is_over() const {
        char byte = 0;
        const ssize_t count = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        return count == 0 || (count < 0 && errno != EAGAIN);
    }
    // Waits for the next message; "" once it is hung up on.
    std::string next_body() {
        while (true) {
            std::string_view rest(come_);
            if (rest.starts_with(replier_greeting)) rest.remove_prefix(replier_greeting.size());
            const WireMessage found = first_message(rest, most_bytes);
            if (found.kind == WireMessage::Kind::Whole) {
                std::string body(found.body);
                come_.erase(0, come_.size() - rest.size() + found.bytes);
                return body;
            }
            pollfd ready{fd_, POLLIN, 0};
            REQUIRE(::poll(&ready, 1, 60'000) == 1);
            const std::string more = received();
            if (more.empty() && is_over()) return "";
            come_ += more;
        }
    }

  private:
    static constexpr std::size_t most_bytes = std::size_t{64} << 20;

    int fd_;
    std::string come_;
};

}  // namespace pmctl
