#include "cli/attach.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "cli/log_output.hpp"
#include "cli/output.hpp"

namespace pmctl {

namespace {

constexpr Duration longest_ask = std::chrono::seconds(30);

WallTime wall_now() {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

// The connections to one supervisor.
struct Lines {
    Client orders;
    Client logs;
    Client events;

    static Result<Lines> connect(const std::string& socket) {
        auto orders = Client::connect(socket);
        if (!orders) return tl::unexpected(orders.error());
        auto logs = Client::connect(socket);
        if (!logs) return tl::unexpected(logs.error());
        auto events = Client::connect(socket);
        if (!events) return tl::unexpected(events.error());
        return Lines{std::move(*orders), std::move(*logs), std::move(*events)};
    }
    void leave_to_process_end() {
        for (Client* each : {&orders, &logs, &events}) each->leave_to_process_end();
    }
};

class Attachment {
  public:
    Attachment(Session& session, const std::string& socket, const Targets& targets, Interrupts interrupts,
               pid_t supervisor, std::optional<OwnPmctld> own)
        : session_(session),
          socket_(socket),
          supervision_(session, socket, supervisor, std::move(own)),
          interrupts_(std::move(interrupts)),
          output_({true, false, session.args().json, session.style()}) {
        log_request_.targets = targets;
        event_request_.targets = targets;
        session_.on_output_lost([this] { end_unread(); });
    }
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;
    ~Attachment() {
        session_.on_output_lost(nullptr);
        if (lines_) lines_->leave_to_process_end();
    }

    Result<int> run();

  private:
    Result<void> join();
    Result<void> ask_first(const std::vector<StatusRow>& rows);
    void tell_story(const std::vector<StatusRow>& rows);
    void tell_failures(const std::vector<StatusRow>& rows);
    // Until the connections are lost, or an interrupt detaches.
    void follow();
    void take_logs();
    void take_events();
    void take_answer();
    void take_signal();
    void send_down();
    void end_unread();

    Session& session_;
    std::string socket_;
    Supervision supervision_;
    Interrupts interrupts_;
    std::optional<Lines> lines_;
    LogOutput output_;
    LogsRequest log_request_;
    EventsRequest event_request_;
    bool begun_ = false;  // the requests know where to go on
    bool gone_ = false;
    bool detached_ = false;
    WallTime gone_at_{};
    std::optional<Error> failure_;
};

Result<void> Attachment::join() {
    gone_ = false;
    auto lines = Lines::connect(socket_);
    if (!lines) return tl::unexpected(lines.error());
    lines_ = std::move(*lines);
    const auto rows = lines_->orders.ask_for<StatusReply>(StatusRequest{log_request_.targets, 0, {}});
    if (!rows) return tl::unexpected(rows.error());
    supervision_.joined(lines_->orders.peer_pid());
    std::vector<std::string> names = {"pmctld"};
    for (const StatusRow& row : rows->rows) names.push_back(row.name);
    output_.expect(names);
    tell_story(rows->rows);
    if (!begun_) {
        tell_failures(rows->rows);
        if (auto asked = ask_first(rows->rows); !asked) return asked;
    }
    if (auto sent = lines_->events.send(event_request_); !sent) return sent;
    if (auto sent = lines_->logs.send(log_request_); !sent) return sent;
    if (supervision_.owns() && interrupts_.count() > 0) send_down();
    return {};
}

// From where this supervisor's story, or our attachment to it, begins. The next one goes on with the same
// files and numbers.
Result<void> Attachment::ask_first(const std::vector<StatusRow>& rows) {
    event_request_.lines = 0;
    const auto now = lines_->events.ask_for<EventsReply>(event_request_);
    if (!now) return tl::unexpected(now.error());
    event_request_.cursor = now->cursor;
    event_request_.lines.reset();
    event_request_.wait = longest_ask;
    log_request_.lines = 0;
    if (supervision_.owns()) {
        // What was written since the supervisor was started a moment ago belongs to this call.
        log_request_.lines.reset();
        WallTime first = wall_now();
        for (const StatusRow& row : rows) {
            if (row.started_at && *row.started_at < first) first = *row.started_at;
        }
        log_request_.since = first;
    }
    if (!supervision_.owns()) session_.say("a supervisor runs already: attached to it; Ctrl-C detaches");
    begun_ = true;
    return {};
}

void Attachment::tell_story(const std::vector<StatusRow>& rows) {
    if (supervision_.story().empty()) return;
    const auto kept = std::count_if(rows.begin(), rows.end(), [&](const StatusRow& row) {
        return row.pid && row.started_at && *row.started_at < gone_at_;
    });
    const std::string which = kept == 1 ? ", its instance" : ", its " + std::to_string(kept) + " instances";
    session_.say(supervision_.story() + (kept == 0 ? "" : which + " kept running"));
}

// What has failed already, before there was anybody to follow the events.
void Attachment::tell_failures(const std::vector<StatusRow>& rows) {
    if (session_.args().json) return;
    for (const StatusRow& row : rows) {
        if (row.state == "Failed" || row.state == "Unhealthy")
            session_.print(output_.note("pmctld", what_is_wrong(row)));
    }
}

void Attachment::take_logs() {
    auto answer = lines_->logs.receive();
    if (!answer) return;
    if (!*answer) {
        gone_ = true;
        return;
    }
    if (const auto* reply = std::get_if<LogsReply>(&**answer)) {
        for (const std::string& each : reply->warnings) session_.print(output_.note("pmctld", each));
        session_.print(output_.text(reply->lines));
        log_request_.cursor = reply->cursor;
        log_request_.wait = reply->more ? Duration::zero() : longest_ask;
    }
    if (!lines_->logs.send(log_request_)) gone_ = true;
}

void Attachment::take_events() {
    auto answer = lines_->events.receive();
    if (!answer) return;
    if (!*answer) {
        gone_ = true;
        return;
    }
    if (const auto* reply = std::get_if<EventsReply>(&**answer)) {
        for (const EventRow& each : reply->events) {
            if (!session_.args().json)
                session_.print(
                    output_.note("pmctld", (each.name.empty() ? "" : "'" + each.name + "': ") + each.text));
        }
        event_request_.cursor = reply->cursor;
    }
    if (!lines_->events.send(event_request_)) gone_ = true;
}

void Attachment::take_answer() {
    auto answer = lines_->orders.receive();
    if (!answer || *answer) return;
    if (answer->error().kind == ErrorKind::Unavailable) {
        gone_ = true;
        return;
    }
    failure_ = answer->error();
}

void Attachment::take_signal() {
    if (!interrupts_.take()) return;
    if (!supervision_.owns()) {
        detached_ = true;
        return;
    }
    send_down();  // before anything is written: whoever reads may have ended by the same Ctrl-C
    session_.flush();
}

void Attachment::send_down() {
    const bool first = interrupts_.count() == 1;
    if (!lines_->orders.send(DownRequest{!first})) gone_ = true;
    if (first) session_.say("stopping every instance... (Ctrl-C again: at once)");
}

// Nobody reads what is told here any longer: what this call has started ends with it.
void Attachment::end_unread() {
    if (!supervision_.owns() || !lines_) return;
    if (interrupts_.count() == 0) {
        session_.say("nobody reads the output any longer: stopping every instance...");
        interrupts_.add();
        if (!gone_ && !lines_->orders.send(DownRequest{})) gone_ = true;
    }
    for (;;) {
        while (!gone_ && !failure_) {
            std::array<pollfd, 2> all = {pollfd{interrupts_.fd(), POLLIN, 0},
                                         pollfd{lines_->orders.fd(), POLLIN, 0}};
            if (::poll(all.data(), all.size(), -1) < 0) continue;
            if (all[1].revents != 0) take_answer();
            if (all[0].revents != 0 && interrupts_.take() && !lines_->orders.send(DownRequest{true}))
                gone_ = true;
        }
        // One that died over it is there again.
        const auto next = supervision_.go_on(interrupts_);
        if (failure_ || !next || *next == Supervision::Next::End || !supervision_.owns()) return;
        auto lines = Lines::connect(socket_);
        gone_ = !lines;
        if (gone_) continue;
        lines_ = std::move(*lines);
        gone_ = !lines_->orders.send(DownRequest{interrupts_.count() > 1});
    }
}

void Attachment::follow() {
    while (!gone_ && !failure_ && !detached_) {
        session_.flush();
        std::array<pollfd, 4> all = {
            pollfd{interrupts_.fd(), POLLIN, 0}, pollfd{lines_->orders.fd(), POLLIN, 0},
            pollfd{lines_->logs.fd(), POLLIN, 0}, pollfd{lines_->events.fd(), POLLIN, 0}};
        if (::poll(all.data(), all.size(), -1) < 0) continue;
        if (all[2].revents != 0) take_logs();
        if (all[3].revents != 0) take_events();
        if (all[1].revents != 0) take_answer();
        if (all[0].revents != 0) take_signal();
    }
    gone_at_ = wall_now();
}

Result<int> Attachment::run() {
    for (;;) {
        // One that died again meanwhile is looked after like the first.
        if (auto joined = join(); joined) {
            follow();
        } else if (joined.error().kind != ErrorKind::Unavailable) {
            return tl::unexpected(joined.error());
        } else if (!begun_) {
            gone_at_ = wall_now();
        }
        const auto next = detached_ || failure_ ? Supervision::Next::End : supervision_.go_on(interrupts_);
        if (next && *next == Supervision::Next::Attach) continue;
        session_.print(output_.rest());
        session_.flush();
        if (failure_) return tl::unexpected(*failure_);
        if (!next) return tl::unexpected(next.error());
        if (detached_) {
            session_.say("detached: the supervisor goes on (pmctl down stops it)");
        } else if (interrupts_.count() == 0) {
            session_.say("the supervisor has ended");
        }
        return 0;
    }
}

}  // namespace

Result<int> attach(Session& session, const std::string& socket, const Targets& targets, pid_t supervisor,
                   std::optional<OwnPmctld> own) {
    auto interrupts = Interrupts::open();
    if (!interrupts) return tl::unexpected(interrupts.error());
    return Attachment(session, socket, targets, std::move(*interrupts), supervisor, std::move(own)).run();
}

}  // namespace pmctl
