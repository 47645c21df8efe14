#include "tests/bench/probe_bench.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "supervisor/io/loop.hpp"
#include "supervisor/io/loopback.hpp"
#include "supervisor/io/probes.hpp"

namespace pmctl::bench {

namespace {

constexpr Duration slot = std::chrono::milliseconds(20);
constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}";

int must(int value, const char* what) {
    if (value < 0) throw std::system_error(errno, std::system_category(), what);
    return value;
}

void watch(int epoll, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    must(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

Duration thread_cpu() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    const auto of = [](const timeval& t) {
        return Duration(std::chrono::seconds(t.tv_sec)) + std::chrono::microseconds(t.tv_usec);
    };
    return of(usage.ru_utime) + of(usage.ru_stime);
}

// Each request of a check is one segment: whatever comes is one request.
[[noreturn]] void serve(int listener) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int epoll = must(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    watch(epoll, listener, EPOLLIN);
    std::array<epoll_event, 256> events{};
    std::array<char, 4096> buffer{};
    while (true) {
        const int count = ::epoll_wait(epoll, events.data(), events.size(), -1);
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            if (fd == listener) {
                const int peer = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (peer >= 0) watch(epoll, peer, EPOLLIN);
            } else if (::recv(fd, buffer.data(), buffer.size(), 0) > 0) {
                ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
            } else {
                ::close(fd);
            }
        }
    }
}

class Server {
  public:
    Server() : listener_(must(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")) {
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof own;
        must(::bind(listener_, reinterpret_cast<sockaddr*>(&own), size), "bind");
        must(::listen(listener_, SOMAXCONN), "listen");
        must(::getsockname(listener_, reinterpret_cast<sockaddr*>(&own), &size), "getsockname");
        port_ = ntohs(own.sin_port);
        pid_ = must(::fork(), "fork");
        if (pid_ == 0) serve(listener_);
    }
    ~Server() {
        ::close(listener_);
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    std::uint16_t port() const { return port_; }

  private:
    int listener_;
    std::uint16_t port_ = 0;
    pid_t pid_ = 0;
};

struct Share {
    std::uint64_t checks = 0;
    std::uint64_t failed = 0;
    Duration cpu{};

    double us() const {
        return std::chrono::duration<double, std::micro>(cpu).count() / static_cast<double>(checks);
    }
};

// How many checks are due in the next slot, and which instance comes next.
struct Schedule {
    explicit Schedule(const ProbeLoad& load)
        : per_slot(load.checks_per_second * slot.count() / 1'000'000'000),
          slots(static_cast<std::uint64_t>(load.length / slot)),
          instances(load.instances) {}

    std::uint32_t next() { return at++ % instances; }

    std::uint64_t per_slot;
    std::uint64_t slots;
    std::uint32_t instances;
    std::uint32_t at = 0;
};

// The bare one: a table of sockets, one epoll, one send and one recv a check, nothing parsed, no time-outs.
class Bare {
  public:
    Bare(std::uint16_t port, std::uint32_t instances)
        : epoll_(must(::epoll_create1(EPOLL_CLOEXEC), "epoll")) {
        for (std::uint32_t i = 0; i < instances; ++i) {
            const int fd = open_loopback_socket(LoopbackAddress::V4);
            if (fd < 0 ||
                connect_loopback(fd, LoopbackAddress::V4, port).state != ConnectStep::State::Connected)
                throw std::system_error(errno, std::system_category(), "connect");
            watch(epoll_, fd, EPOLLIN | EPOLLET);
            fds_.push_back(fd);
        }
        request_ = "GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                   "\r\nUser-Agent: pmctl/" PMCTL_VERSION "\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n";
    }
    ~Bare() {
        for (const int fd : fds_) ::close(fd);
        ::close(epoll_);
    }
    Bare(const Bare&) = delete;
    Bare& operator=(const Bare&) = delete;

    Share run(const ProbeLoad& load) {
        Share share;
        Schedule schedule(load);
        const Duration before = thread_cpu();
        TimePoint due = Loop::now().steady;
        for (std::uint64_t i = 0; i < schedule.slots; ++i) {
            for (std::uint64_t n = 0; n < schedule.per_slot; ++n) {
                const int fd = fds_[schedule.next()];
                if (::send(fd, request_.data(), request_.size(), MSG_NOSIGNAL) < 0) ++share.failed;
            }
            due += slot;
            receive_until(due, share);
        }
        receive_until(due + slot, share);
        share.cpu = thread_cpu() - before;
        return share;
    }

  private:
    void receive_until(TimePoint due, Share& share) const {
        std::array<epoll_event, 256> events;
        std::array<char, 4096> buffer;
        while (true) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - Loop::now().steady).count();
            if (left <= 0) return;
            const int count = ::epoll_wait(epoll_, events.data(), events.size(), static_cast<int>(left));
            for (int i = 0; i < count; ++i) {
                const auto size = ::recv(events[i].data.fd, buffer.data(), buffer.size(), 0);
                ++share.checks;
                if (size < 10 || std::memcmp(buffer.data(), "HTTP/1.1 2", 10) != 0) ++share.failed;
            }
        }
    }

    int epoll_;
    std::vector<int> fds_;
    std::string request_;
};

// The supervisor's own: the same schedule through Loop and Probes.
class Ours {
  public:
    Ours(std::uint16_t port, std::uint32_t instances)
        : port_(port),
          loop_([](const std::string&) {}),
          probes_(loop_, [this](RunNumber, const CheckResult& result) {
              ++share_.checks;
              if (!result.ok) ++share_.failed;
              if (share_.checks == wanted_) loop_.stop();
          }) {
        loop_.on_wake([this] { on_slot(); });
        // Every connection is made before anything is measured.
        constexpr std::uint32_t per_slot = 250;
        run({instances, per_slot * 50, slot * (instances / per_slot + 1)});
    }

    Share run(const ProbeLoad& load) {
        Schedule schedule(load);
        schedule_ = &schedule;
        share_ = {};
        wanted_ = schedule.slots * schedule.per_slot;
        const Duration before = thread_cpu();
        due_ = Loop::now().steady;
        loop_.wake_at(due_);
        loop_.context().restart();  // a loop runs once in its life, but here once a share
        loop_.run();
        share_.cpu = thread_cpu() - before;
        return share_;
    }

  private:
    void on_slot() {
        if (schedule_->slots == 0) return;
        --schedule_->slots;
        for (std::uint64_t n = 0; n < schedule_->per_slot; ++n)
            probes_.check(schedule_->next() + 1, port_, path_, std::chrono::seconds(2), true);
        due_ += slot;
        loop_.wake_at(due_);
    }

    std::uint16_t port_;
    std::string path_ = "/api/status";
    Loop loop_;
    Probes probes_;
    Schedule* schedule_ = nullptr;
    Share share_;
    std::uint64_t wanted_ = 0;
    TimePoint due_;
};

}  // namespace

ProbeCost measure_probes(const ProbeLoad& load) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);

    const Server server;
    Bare bare(server.port(), load.instances);
    Ours ours(server.port(), load.instances);
    ProbeCost cost;
    // The cheaper of two shares each: what else the machine does only adds.
    for (int round = 0; round < 2; ++round) {
        const Share theirs = bare.run(load);
        const Share own = ours.run(load);
        cost.failed += theirs.failed + own.failed;
        cost.bare_us = round == 0 ? theirs.us() : std::min(cost.bare_us, theirs.us());
        cost.ours_us = round == 0 ? own.us() : std::min(cost.ours_us, own.us());
    }
    return cost;
}

}  // namespace pmctl::bench
