// From an event on the admin service to the first instruction of the process that it asks for: the service is
// a thread of this program, so that the moment of the event is known exactly.
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "supervisor/io/loop.hpp"
#include "tests/bench/fleet.hpp"
#include "tests/bench/floor.hpp"

namespace pmctl::bench {

namespace {

// The two calls of the wire protocol; a poll is held until its event is there. One thread a connection.
class Service {
  public:
    Service() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 8) != 0 ||
            ::getsockname(listener_, generic, &size) != 0)
            throw std::runtime_error("no port for the admin service");
        port_ = ntohs(address.sin_port);
        accepting_ = std::thread([this] { accept(); });
    }
    ~Service() {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        changed_.notify_all();
        ::shutdown(listener_, SHUT_RDWR);
        accepting_.join();
        for (const int fd : connections_) ::shutdown(fd, SHUT_RDWR);
        for (std::thread& each : threads_) each.join();
        for (const int fd : connections_) ::close(fd);
        ::close(listener_);
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    std::uint16_t port() const { return port_; }
    // One more instance, whose child writes this slot; the moment of the event.
    TimePoint add(std::size_t slot) {
        const std::lock_guard lock(mutex_);
        entries_ +=
            fmt::format("{}{{\"instanceId\":\"i{}\",\"appId\":\"child\",\"env\":{{\"SLOT\":\"{}\"}}}}",
                        entries_.empty() ? "" : ",", slot, slot);
        ++event_;
        const TimePoint now = Loop::now().steady;
        changed_.notify_all();
        return now;
    }
    // Until a poll for an event that is not there yet is held.
    void await_poll() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return held_ > 0; });
    }

  private:
    void accept() {
        for (;;) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) return;
            const std::lock_guard lock(mutex_);
            connections_.push_back(fd);
            threads_.emplace_back([this, fd] { serve(fd); });
        }
    }
    void serve(int fd) {
        std::string text;
        std::array<char, 4096> buffer{};
        for (;;) {
            const std::size_t end = text.find("\r\n\r\n");
            if (end == std::string::npos) {
                const ssize_t got = ::read(fd, buffer.data(), buffer.size());
                if (got <= 0) return;
                text.append(buffer.data(), static_cast<std::size_t>(got));
                continue;
            }
            const std::string body = answer(text.substr(0, text.find("\r\n")));
            text.erase(0, end + 4);
            const std::string whole =
                fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
            if (::write(fd, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) return;
        }
    }
    std::string answer(const std::string& request) {
        std::unique_lock lock(mutex_);
        constexpr std::string_view poll = "GET /api/poll?e=";
        if (!request.starts_with(poll)) return "{\"applications\":[" + entries_ + "]}";
        const std::uint64_t wanted = std::stoull(request.substr(poll.size()));
        ++held_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return ending_ || event_ >= wanted; });
        --held_;
        return fmt::format("{{\"id\":{},\"version\":\"1\"}}", event_);
    }

    int listener_;
    std::uint16_t port_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string entries_;
    std::uint64_t event_ = 0;
    int held_ = 0;
    bool ending_ = false;
    std::vector<int> connections_;
    std::vector<std::thread> threads_;
    std::thread accepting_;
};

}  // namespace

std::vector<Figure> measure_admin(const Programs& programs, std::size_t rounds) {
    const Stamps stamps(rounds);
    Service service;
    const std::string secret = stamps.path() + ".secret";
    std::ofstream(secret) << "a secret\n";
    ::chmod(secret.c_str(), 0600);
    std::vector<Duration> times;
    {
        Daemon daemon(programs, fmt::format("[admin]\nurl = \"http://127.0.0.1:{}\"\nsecret_file = \"{}\"\n"
                                            "[apps.child]\nport = \"none\"\nhealth = {{ kind = \"none\" }}\n"
                                            "command = [\"{}\", \"{}\", \"${{SLOT}}\"]\n",
                                            service.port(), secret, programs.child, stamps.path()));
        for (std::size_t slot = 0; slot < rounds; ++slot) {
            service.await_poll();
            const TimePoint event = service.add(slot);
            times.push_back(stamps.wait(slot) - event);
        }
    }
    ::unlink(secret.c_str());
    const Duration worst = *std::max_element(times.begin(), times.end());
    return {{"admin event to the first instruction", milliseconds(median(times)), "ms", at_most(50),
             fmt::format("median of {}, one after the other; worst {:.1f} ms", rounds, milliseconds(worst))}};
}

}  // namespace pmctl::bench
