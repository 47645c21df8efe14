// A tiny server in the loop of the test, whose every answer is scripted, and the probes that are tested on
// it. What is sent when is the test's.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "supervisor/io/loop.hpp"
#include "supervisor/io/loopback.hpp"
#include "supervisor/io/probes.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

// A socket bound to a free port of loopback; listening or not.
inline bool has_ipv6() {
    const int fd = open_loopback_socket(LoopbackAddress::V6);
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_addr = IN6ADDR_LOOPBACK_INIT;
    const bool is_bound = fd >= 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
    if (fd >= 0) ::close(fd);
    return is_bound;
}

struct BoundPort {
    explicit BoundPort(LoopbackAddress address, bool listening) : fd(open_loopback_socket(address)) {
        REQUIRE(fd >= 0);
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_addr = IN6ADDR_LOOPBACK_INIT;
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool is_v4 = address == LoopbackAddress::V4;
        auto* any = is_v4 ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
        socklen_t size = is_v4 ? sizeof v4 : sizeof v6;
        REQUIRE(::bind(fd, any, size) == 0);
        REQUIRE(::getsockname(fd, any, &size) == 0);
        port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
        if (listening) REQUIRE(::listen(fd, 128) == 0);
    }
    ~BoundPort() { ::close(fd); }
    BoundPort(const BoundPort&) = delete;
    BoundPort& operator=(const BoundPort&) = delete;

    int fd;
    std::uint16_t port = 0;
};

class ScriptedServer {
  public:
    struct Peer {
        int fd = -1;
        int number = 0;    // of the connection, from 1
        int requests = 0;  // on this connection
        std::string request;
        std::string drip;  // sent a byte a turn
        ScriptedServer* server = nullptr;

        void send(std::string_view text) const { ::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }
        void send_bytewise(std::string text) {
            drip = std::move(text);
            CHECK(server->loop_.rewatch(fd, EPOLLIN | EPOLLOUT).has_value());
        }
        void close() const { server->drop(fd); }
        // What is closed with this is reset, not ended: socket(7), SO_LINGER.
        void reset() const {
            const linger at_once{1, 0};
            ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            close();
        }
    };
    using Script = std::function<void(Peer&)>;  // for each request that has arrived in full

    ScriptedServer(Loop& loop, Script script, LoopbackAddress address = LoopbackAddress::V4)
        : loop_(loop), script_(std::move(script)), listener_(address, true) {
        REQUIRE(loop_.watch(listener_.fd, EPOLLIN, [this](std::uint32_t) { accept(); }));
    }
    ~ScriptedServer() {
        loop_.unwatch(listener_.fd);
        drop_all();
    }

    std::uint16_t port() const { return listener_.port; }
    void drop_all() {
        while (!peers_.empty()) drop(peers_.begin()->first);
    }

    int connections = 0;
    int requests = 0;
    std::string last_request;

  private:
    void accept() {
        const int fd = ::accept4(listener_.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        Peer& peer = peers_[fd];
        peer = {fd, ++connections, 0, {}, {}, this};
        REQUIRE(loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t events) { serve(fd, events); }));
    }
    void serve(int fd, std::uint32_t events) {
        Peer& peer = peers_[fd];
        if ((events & EPOLLOUT) != 0 && !peer.drip.empty()) {
            peer.send(std::string_view(peer.drip).substr(0, 1));
            peer.drip.erase(0, 1);
            if (peer.drip.empty()) CHECK(loop_.rewatch(fd, EPOLLIN).has_value());
        }
        char part[4096];
        const auto count = ::recv(fd, part, sizeof part, 0);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) return drop(fd);
        peer.request.append(part, static_cast<std::size_t>(count));
        if (!peer.request.ends_with("\r\n\r\n")) return;
        last_request = std::exchange(peer.request, {});
        ++requests;
        ++peer.requests;
        script_(peer);
    }
    void drop(int fd) {
        loop_.unwatch(fd);
        ::close(fd);
        peers_.erase(fd);
    }

    Loop& loop_;
    Script script_;
    BoundPort listener_;
    std::map<int, Peer> peers_;
};

struct ProbeTest {
    static constexpr Duration generous = std::chrono::seconds(20);  // never met
    static constexpr Duration brief = std::chrono::milliseconds(30);

    Loop loop{[](const std::string& bug) { FAIL_CHECK("a callback threw: " << bug); }};
    std::vector<std::pair<RunNumber, CheckResult>> results;
    std::function<void(RunNumber, const CheckResult&)> also = [](RunNumber, const CheckResult&) {};
    std::size_t wanted = 0;
    Probes probes{loop, [this](RunNumber run, const CheckResult& result) {
                      results.emplace_back(run, result);
                      also(run, result);
                      if (results.size() >= wanted) loop.stop();
                  }};
    Timer cap{loop, [this] {
                  FAIL_CHECK("the results did not come");
                  loop.stop();
              }};

    void run() {
        cap.set(Loop::now().steady + std::chrono::seconds(30));
        loop.context().restart();
        loop.run();
        cap.clear();
    }
    // Turns the loop until there are so many results in all.
    void run_until(std::size_t count) {
        wanted = count;
        if (results.size() < count) run();
        REQUIRE(results.size() >= count);
    }
    // Everything that is ready by now, and what follows from it, is handled.
    void settle() {
        for (int turn = 0; turn < 20; ++turn) {
            loop.context().restart();
            loop.context().poll();
        }
    }
    CheckResult check(std::uint16_t port, RunNumber run = 1, Duration timeout = generous,
                      bool keep_alive = true) {
        const auto before = results.size();
        probes.check(run, port, "/api/status", timeout, keep_alive);
        CHECK(results.size() == before);
        run_until(before + 1);
        CHECK(results.size() == before + 1);
        return results.back().second;
    }
    // The error of one check of a server that answers `answer` and then nothing, or closes.
    std::string error_of(std::string answer, bool closes = false, Duration timeout = generous) {
        ScriptedServer server(loop, [&](ScriptedServer::Peer& peer) {
            peer.send(answer);
            if (closes) peer.close();
        });
        const CheckResult result = check(server.port(), 1, timeout);
        CHECK(result.ok == result.error.empty());
        probes.forget(1);
        return result.error;
    }
};

}  // namespace pmctl
