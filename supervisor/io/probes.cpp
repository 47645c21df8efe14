#include "supervisor/io/probes.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "supervisor/io/deadlines.hpp"
#include "supervisor/io/http_answer.hpp"
#include "supervisor/io/loopback.hpp"
#include "supervisor/io/peer_process.hpp"

namespace pmctl {

namespace {

constexpr std::uint32_t when_readable = EPOLLIN | EPOLLRDHUP | EPOLLET;
constexpr TimePoint at_once{};

enum class Stage : std::uint8_t {
    Resting,     // no check in flight; a connection may be kept
    Connecting,  //
    Waiting,     // connected, the request on its way, for the answer
    Due,         // the result is clear, and given by the timer: a check never ends within its own call
};

// One run that is or was checked: about 200 bytes with its watch and its place in the table.
struct Probe {
    explicit Probe(RunNumber number) : run(number), deadline(number) {}

    RunNumber run;
    int fd = -1;
    int error = 0;             // Due: errno; 0: healthy
    std::uint32_t joined = 0;  // further checks that wait for this one's result
    std::uint32_t sent = 0;    // bytes of the request
    std::uint16_t port = 0;
    int answered_by = 0;
    Stage stage = Stage::Resting;
    LoopbackAddress address = LoopbackAddress::V4;  // answered last
    LoopbackAddress trying = LoopbackAddress::V4;
    bool is_http = true;
    bool keep_alive = true;
    bool tried_both = false;
    bool reused = false;  // the connection served an earlier check: its end is no failure yet
    bool all_sent = false;
    TimePoint started;
    Deadline deadline;  // of the check in flight
    Duration timeout{};
    std::string path;
    std::unique_ptr<HttpAnswer> answer;  // one that came in pieces
};

TimePoint steady_now() {
    return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

// ::1 is not there at all, as opposed to refusing.
bool is_no_address(int error) {
    return error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == ENETUNREACH || error == EHOSTUNREACH;
}

}  // namespace

struct Probes::Inner {
    Inner(Loop& the_loop, OnResult callback)
        : loop(the_loop),
          on_result(std::move(callback)),
          deadlines(the_loop, [this](RunNumber run) { deadline_met(run); }) {}
    ~Inner() {
        for (auto& [run, probe] : probes) close(probe);
    }

    // Starts a check, or has it join the one in flight: null.
    Probe* begin(RunNumber run, std::uint16_t port, Duration timeout);
    void request(Probe& probe);

    void open(Probe& probe);
    void connected(Probe& probe);
    void unreachable(Probe& probe, int error);
    void send(Probe& probe);
    void watch(Probe& probe, std::uint32_t events);

    void on_event(Probe& probe, std::uint32_t events);
    void receive(Probe& probe, std::uint32_t events);
    void conclude(Probe& probe, HttpVerdict verdict, bool may_keep);
    void ended(Probe& probe, bool reset);
    void check_kept(Probe& probe);

    void deadline_met(RunNumber run);
    void report_due(Probe& probe);
    void time_out(Probe& probe);
    void finish(Probe& probe, CheckResult result);
    void due(Probe& probe, int error);
    void close(Probe& probe);

    Loop& loop;
    OnResult on_result;
    Deadlines deadlines;
    std::unordered_map<RunNumber, Probe> probes;
    std::string text;  // the request being sent
    std::array<char, std::size_t{32} << 10> buffer;
};

Probe* Probes::Inner::begin(RunNumber run, std::uint16_t port, Duration timeout) {
    Probe& probe = probes.try_emplace(run, run).first->second;
    if (probe.stage != Stage::Resting) {
        ++probe.joined;
        return nullptr;
    }
    probe.started = steady_now();
    probe.timeout = timeout;
    probe.tried_both = false;
    if (probe.port != port) close(probe);
    probe.port = port;
    probe.stage = Stage::Connecting;
    deadlines.set(probe.deadline, probe.started + timeout);
    return &probe;
}

void Probes::Inner::request(Probe& probe) {
    probe.reused = probe.fd >= 0;
    if (probe.reused) {
        probe.stage = Stage::Waiting;
        probe.sent = 0;
        send(probe);
    } else {
        probe.trying = probe.address;
        open(probe);
    }
}

void Probes::Inner::open(Probe& probe) {
    probe.reused = false;
    probe.stage = Stage::Connecting;
    const int fd = open_loopback_socket(probe.trying);
    if (fd < 0) return unreachable(probe, -fd);
    probe.fd = fd;
    const ConnectStep step = connect_loopback(fd, probe.trying, probe.port);
    if (step.state == ConnectStep::State::Failed) return unreachable(probe, step.error);
    if (step.state == ConnectStep::State::Connected) connected(probe);
    if (probe.stage == Stage::Due) return;
    // Writable is of interest only to one that still connects or sends; afterwards it wakes nobody.
    const bool done_writing = probe.stage == Stage::Waiting && probe.all_sent;
    watch(probe, done_writing ? when_readable : when_readable | EPOLLOUT);
}

void Probes::Inner::connected(Probe& probe) {
    probe.address = probe.trying;
    if (!probe.is_http) return due(probe, 0);
    probe.stage = Stage::Waiting;
    probe.sent = 0;
    send(probe);
}

void Probes::Inner::unreachable(Probe& probe, int error) {
    close(probe);
    if (probe.tried_both && probe.trying == LoopbackAddress::V6 && is_no_address(error)) error = ECONNREFUSED;
    if (probe.tried_both || error != ECONNREFUSED) return due(probe, error);
    probe.tried_both = true;
    probe.trying = other_address(probe.trying);
    open(probe);
}

void Probes::Inner::send(Probe& probe) {
    const bool is_v4 = probe.trying == LoopbackAddress::V4;
    text.assign("GET ").append(probe.path).append(" HTTP/1.1\r\nHost: ");
    text.append(is_v4 ? "127.0.0.1:" : "[::1]:").append(std::to_string(probe.port));
    text.append("\r\nUser-Agent: pmctl/" PMCTL_VERSION "\r\nAccept: */*\r\nConnection: ");
    text.append(probe.keep_alive ? "keep-alive\r\n\r\n" : "close\r\n\r\n");

    const std::string_view rest = std::string_view(text).substr(probe.sent);
    const auto count = ::send(probe.fd, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) probe.sent += static_cast<std::uint32_t>(count);
    probe.all_sent = probe.sent == text.size();
    if (count >= 0 || errno == EAGAIN || errno == EINTR) return;
    if (is_own_lack(errno)) return due(probe, errno);
    if (probe.reused) {
        close(probe);
        open(probe);
    }
    // A peer that closed a new connection at once may have answered before: what it sent is still to be read.
}

void Probes::Inner::watch(Probe& probe, std::uint32_t events) {
    if (!loop.watch(probe.fd, events, [this, &probe](std::uint32_t ready) { on_event(probe, ready); })) {
        const int error = errno;
        ::close(std::exchange(probe.fd, -1));
        due(probe, is_own_lack(error) ? error : ENOMEM);
    }
}

void Probes::Inner::on_event(Probe& probe, std::uint32_t events) {
    switch (probe.stage) {
        case Stage::Resting: return check_kept(probe);
        case Stage::Connecting: {
            const ConnectStep step = connect_loopback(probe.fd, probe.trying, probe.port);
            if (step.state == ConnectStep::State::Failed) unreachable(probe, step.error);
            if (step.state == ConnectStep::State::Connected) connected(probe);
            return;
        }
        case Stage::Waiting:
            if (!probe.all_sent) send(probe);
            if (probe.stage == Stage::Waiting && probe.fd >= 0) receive(probe, events);
            return;
        case Stage::Due: return;
    }
}

void Probes::Inner::receive(Probe& probe, std::uint32_t events) {
    while (true) {
        const auto count = ::recv(probe.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) return ended(probe, count < 0);
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
        const bool may_keep = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0;
        if (!probe.answer) {
            if (auto verdict = judge_whole_answer(bytes))
                return conclude(probe, std::move(*verdict), may_keep);
            probe.answer = std::make_unique<HttpAnswer>();
        }
        if (auto verdict = probe.answer->put(bytes)) return conclude(probe, std::move(*verdict), may_keep);
    }
}

void Probes::Inner::conclude(Probe& probe, HttpVerdict verdict, bool may_keep) {
    // RFC 9110, 15.5.9: 408 on a kept connection says that it was idle for too long; ask again on a new one.
    const bool again = verdict.status == 408 && probe.reused;
    const bool is_answered_by =
        again || probe.answered_by == 0 || probe.reused || session_has_other_end(probe.answered_by, probe.fd);
    if (!is_answered_by) close(probe);
    if (again || !may_keep || !probe.keep_alive || !verdict.reusable || !probe.all_sent) close(probe);
    if (again) return open(probe);
    // Asked before the connection goes; a kept one is still the same process's.
    if (!is_answered_by) {
        return finish(probe, {false, "another process of the same socket has answered", {}, true});
    }
    finish(probe, {verdict.error.empty(), std::move(verdict.error), {}, false});
}

void Probes::Inner::ended(Probe& probe, bool reset) {
    if (probe.answer) return conclude(probe, probe.answer->end(reset), false);
    close(probe);
    if (probe.reused) return open(probe);
    const char* how = reset ? "connection reset before an answer" : "connection closed before an answer";
    finish(probe, {false, how, {}, false});
}

// Something happened to a kept connection: its end, most likely, or bytes that nobody asked for. An event can
// also be the late shadow of bytes that were read already.
void Probes::Inner::check_kept(Probe& probe) {
    char byte = 0;
    const auto count = ::recv(probe.fd, &byte, 1, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    close(probe);
}

void Probes::Inner::deadline_met(RunNumber run) {
    Probe& probe = probes.at(run);
    probe.stage == Stage::Due ? report_due(probe) : time_out(probe);
}

void Probes::Inner::report_due(Probe& probe) {
    const int error = probe.error;
    close(probe);
    if (error == 0) return finish(probe, {true, {}, {}, false});
    if (error == ECONNREFUSED) return finish(probe, {false, "connection refused", {}, false});
    const bool is_own = is_own_lack(error);
    const std::string what = is_own ? "cannot check: " : "cannot connect: ";
    finish(probe, {false, what + std::strerror(error), {}, is_own});
}

void Probes::Inner::time_out(Probe& probe) {
    const std::string limit = format_duration(probe.timeout);
    const char* how_far = probe.stage == Stage::Connecting ? " (not connected)" : " (connected)";
    std::string error = "no answer within " + limit + how_far;
    if (!probe.is_http) error = "no connection within " + limit;
    if (probe.answer) error = probe.answer->time_out(limit).error;
    close(probe);
    finish(probe, {false, std::move(error), {}, false});
}

void Probes::Inner::finish(Probe& probe, CheckResult result) {
    result.latency = steady_now() - probe.started;
    deadlines.clear(probe.deadline);
    probe.stage = Stage::Resting;
    probe.answer.reset();
    // The callback may begin the next check, or forget the run: the probe is not to be touched after it.
    const RunNumber run = probe.run;
    auto joined = std::exchange(probe.joined, 0);
    on_result(run, result);
    for (; joined > 0 && probes.count(run) > 0; --joined) on_result(run, result);
}

void Probes::Inner::due(Probe& probe, int error) {
    probe.stage = Stage::Due;
    probe.error = error;
    deadlines.set(probe.deadline, at_once);
}

void Probes::Inner::close(Probe& probe) {
    if (probe.fd < 0) return;
    loop.unwatch(probe.fd);
    ::close(std::exchange(probe.fd, -1));
}

Probes::Probes(Loop& loop, OnResult on_result)
    : inner_(std::make_unique<Inner>(loop, std::move(on_result))) {}
Probes::~Probes() = default;

void Probes::check(RunNumber run, std::uint16_t port, const std::string& path, Duration timeout,
                   bool keep_alive, int answered_by) {
    Probe* probe = inner_->begin(run, port, timeout);
    if (probe == nullptr) return;
    // One that is kept from another time may be another process's.
    if (!keep_alive || answered_by != probe->answered_by) inner_->close(*probe);
    probe->answered_by = answered_by;
    probe->is_http = true;
    probe->keep_alive = keep_alive;
    probe->path = path;
    inner_->request(*probe);
}

void Probes::check_tcp(RunNumber run, std::uint16_t port, Duration timeout) {
    Probe* probe = inner_->begin(run, port, timeout);
    if (probe == nullptr) return;
    inner_->close(*probe);
    probe->is_http = false;
    inner_->request(*probe);
}

void Probes::forget(RunNumber run) {
    const auto found = inner_->probes.find(run);
    if (found == inner_->probes.end()) return;
    Probe& probe = found->second;
    inner_->close(probe);
    inner_->deadlines.clear(probe.deadline);
    inner_->probes.erase(found);
}

const char* Probes::address_of(RunNumber run) const {
    const auto found = inner_->probes.find(run);
    return address_text(found == inner_->probes.end() ? LoopbackAddress::V4 : found->second.address);
}

}  // namespace pmctl
