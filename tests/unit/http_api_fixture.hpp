// A Supervisor with effects of the tests', its HTTP API on a port of the kernel's choice, and clients that
// speak bytes.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/io/http_api.hpp"
#include "tests/scenario/world.hpp"
#include "tests/unit/event_wait.hpp"

namespace pmctl::test {

class HttpClient {
  public:
    HttpClient(TestLoop& loop, std::uint16_t port) : loop_(loop), fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    HttpClient(TestLoop& loop, const std::string& path)
        : loop_(loop), fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    HttpClient(HttpClient&& other) noexcept : loop_(other.loop_), fd_(std::exchange(other.fd_, -1)) {}
    HttpClient(const HttpClient&) = delete;
    ~HttpClient() { close(); }

    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    int fd() const { return fd_; }
    void send(const std::string& text) {
        std::size_t sent = 0;
        loop_.until([&] {
            const auto count =
                ::send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count > 0) sent += static_cast<std::size_t>(count);
            return sent == text.size() || (count < 0 && errno != EAGAIN);
        });
    }
    void get(const std::string& target, const std::string& headers = "", const std::string& method = "GET") {
        send(method + " " + target + " HTTP/1.1\r\nHost: api\r\n" + headers + "\r\n");
    }

    // What has come so far and was not taken.
    const std::string& pending() {
        std::array<char, 65536> bytes{};
        for (;;) {
            const auto count = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
            if (count == 0 || (count < 0 && errno != EAGAIN)) ended_ = true;
            if (count <= 0) return in_;
            in_.append(bytes.data(), static_cast<std::size_t>(count));
        }
    }
    bool ended() {
        pending();
        return ended_;
    }
    // The next whole answer: status, header, body.
    struct Answer {
        int status = 0;
        std::string header;
        std::string body;

        std::string field(const std::string& name) const {
            const auto at = header.find("\r\n" + name + ": ");
            if (at == std::string::npos) return "";
            const auto begin = at + name.size() + 4;
            return header.substr(begin, header.find("\r\n", begin) - begin);
        }
    };
    Answer answer(bool head = false) {
        Answer found;
        bool is_whole = false;
        const bool whole = loop_.until([&] {
            if (is_whole) return true;
            pending();
            const auto end = in_.find("\r\n\r\n");
            if (end == std::string::npos) return ended_;
            found.header = in_.substr(0, end + 2);
            found.status = std::atoi(found.header.c_str() + 9);
            const std::string length = found.field("Content-Length");
            const std::size_t bytes = head || length.empty() ? 0 : std::stoul(length);
            if (in_.size() < end + 4 + bytes) return ended_;
            found.body = in_.substr(end + 4, bytes);
            in_.erase(0, end + 4 + bytes);
            return is_whole = true;
        });
        REQUIRE(whole);
        return found;
    }

  private:
    TestLoop& loop_;
    int fd_;
    std::string in_;
    bool ended_ = false;
};

class HttpWorld {
  public:
    explicit HttpWorld(const std::string& listen = "127.0.0.1:0")
        : api(loop.loop, world.supervisor(), world.effects, {listen, "0.1.0"},
              [this](const std::string& text) { told.push_back(text); }) {
        // The API reads the machine's clock, which may have begun a moment ago.
        world.effects.begin = Loop::now().steady;
    }

    HttpClient client() { return {loop, api.port()}; }
    HttpClient::Answer get(const std::string& target, const std::string& headers = "") {
        HttpClient one = client();
        one.get(target, headers);
        return one.answer();
    }
    void run(const std::vector<InstanceSpec>& specs) {
        world.apply(specs);
        for (const InstanceSpec& each : specs) {
            if (!each.policy.on_demand)
                REQUIRE(world.run_until_phase(each.replicas > 1 ? each.id + ":0" : each.id, Phase::Running));
        }
        api.changed();
        // The world's clock went ahead of the machine's, which is the API's.
        REQUIRE(loop.until([&] { return Loop::now().steady >= world.now().steady; }));
    }
    std::string upstream(const std::string& name) {
        return "127.0.0.1:" + std::to_string(world.effects.process(name)->port);
    }

    std::vector<std::string> told;
    World world;
    TestLoop loop;
    HttpApi api;
};

inline InstanceSpec served(const std::string& id) {
    InstanceSpec spec = service(id);
    spec.hostnames = {id + ".test"};
    return spec;
}

}  // namespace pmctl::test
