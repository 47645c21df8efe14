// A supervisor's end of the control socket by itself: the tests may close it while clients are there, or let
// another take its place, as often as they like, and it says what they want.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "shared/protocol.hpp"
#include "supervisor/io/nng_wire.hpp"

namespace pmctl {

class PlainDoor {
  public:
    // On the door's thread. Nothing: it is never answered.
    using Handler = std::function<std::optional<Result<Reply>>(const Request&)>;

    // `hangs_up`: on each connection after its first reply.
    PlainDoor(std::string path, Handler handler, bool hangs_up = false)
        : path_(std::move(path)),
          handler_(std::move(handler)),
          hangs_up_(hangs_up),
          listening_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
          end_(::eventfd(0, EFD_CLOEXEC)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(listening_, SOMAXCONN) == 0);
        thread_ = std::thread([this] { serve(); });
    }
    PlainDoor(const PlainDoor&) = delete;
    PlainDoor& operator=(const PlainDoor&) = delete;
    ~PlainDoor() {
        const std::uint64_t one = 1;
        if (::write(end_, &one, sizeof one) == sizeof one) thread_.join();
        ::close(listening_);
        ::close(end_);
        ::unlink(path_.c_str());
    }

  private:
    void serve() {
        std::vector<pollfd> watched = {{end_, POLLIN, 0}, {listening_, POLLIN, 0}};
        while (::poll(watched.data(), watched.size(), -1) > 0 && watched[0].revents == 0) {
            std::erase_if(watched, [this](const pollfd& each) {
                const bool is_over =
                    each.fd != end_ && each.fd != listening_ && each.revents != 0 && !answer(each.fd);
                if (is_over) ::close(each.fd);
                return is_over;
            });
            if (watched[1].revents == 0) continue;
            if (const int fd = greeted(); fd >= 0) watched.push_back({fd, POLLIN, 0});
        }
        for (std::size_t i = 2; i < watched.size(); ++i) ::close(watched[i].fd);
    }

    static bool read(int fd, std::string& text) {
        return ::recv(fd, text.data(), text.size(), MSG_WAITALL) == static_cast<ssize_t>(text.size());
    }
    static bool write(int fd, const std::string& text) {
        return ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
    }

    // Eight bytes each way: here is a replier.
    int greeted() const {
        const int fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
        std::string theirs(requester_greeting.size(), '\0');
        if (fd < 0 || (read(fd, theirs) && write(fd, std::string(replier_greeting)))) return fd;
        ::close(fd);
        return -1;
    }

    // A message: a 1, its length in eight bytes, four bytes that are the request's number, its text.
    bool answer(int fd) const {
        std::string head(message_head_bytes + 4, '\0');
        if (!read(fd, head)) return false;
        std::uint64_t length = 0;
        for (std::size_t i = 1; i < 9; ++i) length = length << 8 | static_cast<unsigned char>(head[i]);
        std::string text(length - 4, '\0');
        if (!read(fd, text)) return false;
        const auto incoming = parse_request(text);
        if (!incoming) return false;
        const auto reply = handler_(incoming->request);
        if (!reply) return true;
        const std::string said =
            *reply ? to_text(incoming->id, **reply) : error_text(incoming->id, reply->error());
        const std::string route = head.substr(message_head_bytes);
        const auto frame = message_head(route.size() + said.size());
        return write(fd, std::string(frame.data(), frame.size()) + route + said) && !hangs_up_;
    }

    std::string path_;
    Handler handler_;
    bool hangs_up_;
    int listening_;
    int end_;
    std::thread thread_;
};

}  // namespace pmctl
