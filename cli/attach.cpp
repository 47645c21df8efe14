#include "cli/attach.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "cli/log_output.hpp"
#include "cli/process_watch.hpp"

namespace pmctl {

namespace {

constexpr Duration longest_ask = std::chrono::seconds(30);
// From the end of the connection to that of the process: it has only its store to close.
constexpr Duration closing_patience = std::chrono::seconds(30);

sigset_t interrupts() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

class Attachment {
  public:
    Attachment(Session& session, Client orders, Client logs, Client events, const Targets& targets, bool owns)
        : session_(session),
          orders_(std::move(orders)),
          logs_(std::move(logs)),
          events_(std::move(events)),
          owns_(owns),
          output_({true, false, session.args().json, session.style()}) {
        log_request_.targets = targets;
        event_request_.targets = targets;
    }
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;
    ~Attachment() {
        if (signals_ >= 0) ::close(signals_);
    }

    Result<int> run();

  private:
    Result<void> begin();
    void take_logs();
    void take_events();
    void take_answer();
    // False: leave.
    bool take_signal();
    void gone() { gone_ = true; }

    Session& session_;
    Client orders_;
    Client logs_;
    Client events_;
    bool owns_;
    LogOutput output_;
    LogsRequest log_request_;
    EventsRequest event_request_;
    ProcessWatch supervisor_;
    int signals_ = -1;
    int interrupts_ = 0;
    bool gone_ = false;
    std::optional<Error> failure_;
};

Result<void> Attachment::begin() {
    const sigset_t set = interrupts();
    signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals_ < 0) return fail(std::string("signalfd: ") + std::strerror(errno));
    const auto hello = orders_.ask_for<HelloReply>(HelloRequest{});
    if (!hello) return tl::unexpected(hello.error());
    supervisor_ = ProcessWatch(orders_.peer_pid());
    const auto rows = orders_.ask_for<StatusReply>(StatusRequest{log_request_.targets, 0, {}});
    if (!rows) return tl::unexpected(rows.error());
    std::vector<std::string> names = {"pmctld"};
    for (const StatusRow& row : rows->rows) names.push_back(row.name);
    output_.expect(names);
    // From where this supervisor's story, or our attachment to it, begins.
    event_request_.lines = 0;
    const auto now = events_.ask_for<EventsReply>(event_request_);
    if (!now) return tl::unexpected(now.error());
    event_request_.cursor = now->cursor;
    event_request_.lines.reset();
    event_request_.wait = longest_ask;
    log_request_.lines = 0;
    if (owns_) {
        // What was written since the supervisor was started a moment ago belongs to this call.
        log_request_.lines.reset();
        WallTime first = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
        for (const StatusRow& row : rows->rows) {
            if (row.started_at && *row.started_at < first) first = *row.started_at;
        }
        log_request_.since = first;
    }
    if (auto sent = events_.send(event_request_); !sent) return sent;
    return logs_.send(log_request_);
}

void Attachment::take_logs() {
    auto answer = logs_.receive();
    if (!answer) return;
    if (!*answer) return gone();
    if (const auto* reply = std::get_if<LogsReply>(&**answer)) {
        for (const std::string& each : reply->warnings) session_.print(output_.note("pmctld", each));
        session_.print(output_.text(reply->lines));
        log_request_.cursor = reply->cursor;
        log_request_.wait = reply->more ? Duration::zero() : longest_ask;
    }
    if (!logs_.send(log_request_)) gone();
}

void Attachment::take_events() {
    auto answer = events_.receive();
    if (!answer) return;
    if (!*answer) return gone();
    if (const auto* reply = std::get_if<EventsReply>(&**answer)) {
        for (const EventRow& each : reply->events) {
            if (!session_.args().json)
                session_.print(
                    output_.note("pmctld", (each.name.empty() ? "" : "'" + each.name + "': ") + each.text));
        }
        event_request_.cursor = reply->cursor;
    }
    if (!events_.send(event_request_)) gone();
}

void Attachment::take_answer() {
    auto answer = orders_.receive();
    if (!answer || *answer) return;
    if (answer->error().kind == ErrorKind::Unavailable) return gone();
    failure_ = answer->error();
}

bool Attachment::take_signal() {
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) != sizeof info) return true;
    if (!owns_) return false;
    const bool first = interrupts_++ == 0;
    session_.flush();
    if (first) session_.say("stopping every instance... (Ctrl-C again: at once)");
    if (!orders_.send(DownRequest{!first})) gone();
    return true;
}

Result<int> Attachment::run() {
    if (auto begun = begin(); !begun) return tl::unexpected(begun.error());
    while (!gone_ && !failure_) {
        session_.flush();
        std::array<pollfd, 4> all = {pollfd{signals_, POLLIN, 0}, pollfd{orders_.fd(), POLLIN, 0},
                                     pollfd{logs_.fd(), POLLIN, 0}, pollfd{events_.fd(), POLLIN, 0}};
        if (::poll(all.data(), all.size(), -1) < 0) continue;
        if (all[2].revents != 0) take_logs();
        if (all[3].revents != 0) take_events();
        if (all[1].revents != 0) take_answer();
        if (all[0].revents != 0 && !take_signal()) {
            session_.print(output_.rest());
            session_.flush();
            session_.say("detached: the supervisor goes on (pmctl down stops it)");
            return 0;
        }
    }
    session_.print(output_.rest());
    session_.flush();
    if (owns_ && !failure_ && !supervisor_.await_end(closing_patience))
        session_.say("every instance has stopped; the supervisor (pid " + std::to_string(orders_.peer_pid()) +
                     ") still ends, as it does while its disk is slow");
    if (failure_) return tl::unexpected(*failure_);
    if (interrupts_ > 0) return 0;
    session_.say("the supervisor has ended");
    return owns_ ? 0 : exit_status(ErrorKind::Unavailable);
}

}  // namespace

void block_interrupts() {
    const sigset_t set = interrupts();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Result<int> attach(Session& session, const std::string& socket, const Targets& targets, bool owns) {
    auto orders = Client::connect(socket);
    if (!orders) return tl::unexpected(orders.error());
    auto logs = Client::connect(socket);
    if (!logs) return tl::unexpected(logs.error());
    auto events = Client::connect(socket);
    if (!events) return tl::unexpected(events.error());
    return Attachment(session, std::move(*orders), std::move(*logs), std::move(*events), targets, owns).run();
}

}  // namespace pmctl
