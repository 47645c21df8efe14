#include "supervisor/io/control.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <new>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "shared/control_path.hpp"
#include "supervisor/io/peer_check.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

namespace {

// A request that is longer is answered at once in place of being kept: kept ones are to cost little memory.
constexpr std::size_t parkable_bytes = std::size_t{64} << 10;
constexpr std::size_t topics = 5;

std::optional<Topic> topic_of(const Request& request) {
    if (std::holds_alternative<StatusRequest>(request)) return Topic::Status;
    if (std::holds_alternative<EventsRequest>(request)) return Topic::Events;
    if (std::holds_alternative<LogsRequest>(request)) return Topic::Logs;
    if (std::holds_alternative<RoutesRequest>(request)) return Topic::Routes;
    if (std::holds_alternative<UpgradeRequest>(request)) return Topic::Upgrade;
    return std::nullopt;
}

}  // namespace

struct Control::Inner : std::enable_shared_from_this<Control::Inner> {
    using Connection = ControlServer::Connection;
    // Where a reply goes.
    struct Return {
        Connection to = 0;
        std::string route;
        std::uint64_t id = 0;
    };
    struct Parked {
        Return to;
        Peer peer;
        Request request;
        TimePoint until{};
    };
    // An answer that is kept back.
    struct Held {
        std::uint64_t until = 0;
        Return to;
        std::string text;
    };
    using Waiting = std::map<std::uint64_t, Parked>;

    Inner(Loop& loop, ControlSettings settings, Handler handler, std::function<void(uid_t)> on_refused)
        : loop_(loop),
          settings_(std::move(settings)),
          handler_(std::move(handler)),
          on_refused_(std::move(on_refused)),
          check_(settings_.own_uid, settings_.group),
          timer_(loop, [this] { time_is_up(); }) {}
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;
    ~Inner() = default;

    Result<void> listen(ControlServer::Left left);
    void take(const ControlServer::Request& asked);
    void answer(const Return& to, const Peer& peer, Request request, bool may_park);
    bool ask(const Return& to, const Request& request, bool may_park, const Peer& peer);
    void release(std::uint64_t number);
    void park(Return to, const Peer& peer, Request request, Topic topic);
    void send(const Return& to, const std::string& text);
    void wake(Topic topic);
    void ask_again_later(Topic topic);
    void ask_again(Topic topic);
    void time_is_up();
    void arm();
    void gone(Connection connection);
    Waiting& waiting(Topic topic) { return waiting_.at(static_cast<std::size_t>(topic)); }
    void forget(Topic topic, Waiting::iterator parked);
    std::size_t parked() const { return deadlines_.size(); }

    Loop& loop_;
    ControlSettings settings_;
    Handler handler_;
    std::function<void(uid_t)> on_refused_;
    PeerCheck check_;
    Timer timer_;
    std::array<Waiting, topics> waiting_;
    std::set<std::tuple<TimePoint, Topic, std::uint64_t>> deadlines_;   // of all that wait
    std::set<std::tuple<Connection, Topic, std::uint64_t>> by_client_;  // the same
    std::array<bool, topics> asked_{};  // they are asked again when this turn is over
    TimePoint logs_told_{};
    TimePoint logs_due_ = TimePoint::max();
    std::set<Connection> beyond_hello_;  // they have asked for more
    std::uint64_t last_parked_ = 0;
    std::deque<Held> held_;
    std::uint64_t released_ = 0;
    std::unique_ptr<ControlServer> server_;
};

Result<void> Control::Inner::listen(ControlServer::Left left) {
    const std::string& path = settings_.socket_path;
    if (path.size() > max_socket_path_bytes) {
        return fail(ErrorKind::Invalid, "the control socket's path has " + std::to_string(path.size()) +
                                            " bytes, at most 107 are possible: '" + path +
                                            "'; set a shorter [supervisor] runtime_dir");
    }
    auto server =
        ControlServer::listen(loop_, {path, settings_.mode, settings_.group},
                              {.asked = [this](const ControlServer::Request& asked) { take(asked); },
                               .gone = [this](Connection connection) { gone(connection); }},
                              std::move(left));
    if (!server) return tl::unexpected(server.error());
    server_ = std::move(*server);
    return {};
}

void Control::Inner::take(const ControlServer::Request& asked) {
    const Peer& peer = asked.peer;
    auto request = parse_request(asked.body);
    const Return to{asked.from, std::string(asked.route),
                    request ? request->id : request.error().id.value_or(0)};
    const TimePoint now = Loop::now().steady;
    if (!check_.allows(peer.uid, peer.gid, now)) {
        send(to, error_text(to.id, {ErrorKind::Denied, "user " + std::to_string(peer.uid) +
                                                           " may not control this supervisor"}));
        if (check_.first_refusal(peer.uid, now)) on_refused_(peer.uid);
        return;
    }
    if (!request) return send(to, to_text(request.error()));
    if (!std::holds_alternative<HelloRequest>(request->request)) beyond_hello_.insert(asked.from);
    answer(to, peer, std::move(request->request), asked.body.size() <= parkable_bytes);
}

void Control::Inner::answer(const Return& to, const Peer& peer, Request request, bool may_park) {
    const auto topic = topic_of(request);
    may_park = may_park && topic && wait_of(request) > Duration::zero();
    if (may_park && parked() >= max_parked) {
        return send(to, error_text(to.id, {ErrorKind::Unavailable, "too many requests are waiting (" +
                                                                       std::to_string(max_parked) +
                                                                       "): try again later"}));
    }
    if (!ask(to, request, may_park, peer)) park(to, peer, std::move(request), *topic);
}

// Sends what the handler says, or holds it; false when there was nothing to say and the request may wait.
bool Control::Inner::ask(const Return& to, const Request& request, bool may_park, const Peer& peer) {
    Answer answer(std::nullopt);
    try {
        answer = handler_(request, may_park, peer);
    } catch (const std::bad_alloc&) {
        send(to, error_text(to.id, {ErrorKind::Failed, "the supervisor has no memory left for that"}));
        throw;
    } catch (const std::exception& bug) {
        // The client is not to wait for ever; the loop reports the bug.
        send(to,
             error_text(to.id, {ErrorKind::Failed, std::string("a bug in the supervisor: ") + bug.what()}));
        throw;
    }
    std::optional<Result<Reply>>& reply = answer.reply;
    if (!reply && may_park) return false;
    if (!reply) reply = fail("the supervisor has no answer");
    std::string text = *reply ? to_text(to.id, **reply) : error_text(to.id, reply->error());
    if (answer.held_until > released_) {
        held_.push_back({answer.held_until, to, std::move(text)});
    } else {
        send(to, text);
    }
    return true;
}

void Control::Inner::release(std::uint64_t number) {
    released_ = std::max(released_, number);
    while (!held_.empty() && held_.front().until <= released_) {
        const Held released = std::move(held_.front());
        held_.pop_front();
        send(released.to, released.text);
    }
}

void Control::Inner::park(Return to, const Peer& peer, Request request, Topic topic) {
    const TimePoint until = Loop::now().steady + std::min(wait_of(request), max_wait);
    const std::uint64_t number = ++last_parked_;
    by_client_.emplace(to.to, topic, number);
    waiting(topic).emplace(number, Parked{std::move(to), peer, std::move(request), until});
    deadlines_.emplace(until, topic, number);
    arm();
}

void Control::Inner::forget(Topic topic, Waiting::iterator parked) {
    deadlines_.erase({parked->second.until, topic, parked->first});
    by_client_.erase({parked->second.to.to, topic, parked->first});
    waiting(topic).erase(parked);
}

void Control::Inner::send(const Return& to, const std::string& text) {
    server_->reply(to.to, to.route, text);
}

void Control::Inner::wake(Topic topic) {
    if (waiting(topic).empty()) return;
    if (topic == Topic::Logs && logs_due_ == TimePoint::max()) {
        const TimePoint next = logs_told_ + logs_pace;
        if (Loop::now().steady < next) {
            logs_due_ = next;
            return arm();
        }
    }
    if (topic == Topic::Logs && logs_due_ != TimePoint::max()) return;  // its time comes
    ask_again_later(topic);
}

void Control::Inner::ask_again_later(Topic topic) {
    if (std::exchange(asked_.at(static_cast<std::size_t>(topic)), true)) return;
    loop_.later([weak = weak_from_this(), topic] {
        if (const auto inner = weak.lock()) inner->ask_again(topic);
    });
}

void Control::Inner::ask_again(Topic topic) {
    asked_.at(static_cast<std::size_t>(topic)) = false;
    if (topic == Topic::Logs) logs_told_ = Loop::now().steady;
    Waiting& all = waiting(topic);
    std::vector<std::uint64_t> numbers;
    numbers.reserve(all.size());
    for (const auto& [number, parked] : all) numbers.push_back(number);
    for (const std::uint64_t number : numbers) {
        const auto found = all.find(number);
        if (found == all.end()) continue;
        const Parked& parked = found->second;
        try {
            if (ask(parked.to, parked.request, true, parked.peer)) forget(topic, found);
        } catch (const std::exception&) {
            forget(topic, found);  // it has been told
            ask_again_later(topic);
            throw;
        }
    }
    arm();
}

void Control::Inner::time_is_up() {
    const TimePoint now = Loop::now().steady;
    if (logs_due_ <= now) {
        logs_due_ = TimePoint::max();
        ask_again_later(Topic::Logs);
    }
    while (!deadlines_.empty() && std::get<TimePoint>(*deadlines_.begin()) <= now) {
        const auto [until, topic, number] = *deadlines_.begin();
        const auto found = waiting(topic).find(number);
        const Parked parked = found->second;
        forget(topic, found);
        arm();  // though the handler throws
        ask(parked.to, parked.request, false, parked.peer);
    }
    arm();
}

void Control::Inner::arm() {
    TimePoint next = logs_due_;
    if (!deadlines_.empty()) next = std::min(next, std::get<TimePoint>(*deadlines_.begin()));
    timer_.set(next);
}

// What it waits for need not be said.
void Control::Inner::gone(Connection connection) {
    beyond_hello_.erase(connection);
    for (auto first = by_client_.lower_bound({connection, Topic{}, 0});
         first != by_client_.end() && std::get<0>(*first) == connection;) {
        const auto [of, topic, number] = *first++;
        forget(topic, waiting(topic).find(number));
    }
    arm();
}

Result<Control> Control::listen(Loop& loop, ControlSettings settings, Handler handler,
                                std::function<void(uid_t)> on_refused, ControlServer::Left left) {
    auto inner =
        std::make_shared<Inner>(loop, std::move(settings), std::move(handler), std::move(on_refused));
    if (auto listens = inner->listen(std::move(left)); !listens) return tl::unexpected(listens.error());
    return Control(std::move(inner));
}

Control::Control(std::shared_ptr<Inner> inner) : inner_(std::move(inner)) {}
Control::Control(Control&&) noexcept = default;
Control& Control::operator=(Control&&) noexcept = default;
Control::~Control() = default;

void Control::wake(Topic topic) {
    inner_->wake(topic);
}

void Control::release(std::uint64_t number) {
    inner_->release(number);
}

std::size_t Control::held() const {
    return inner_->held_.size();
}

void Control::flush(Duration patience) {
    inner_->server_->flush(patience);
}

ControlServer::Left Control::leave() {
    return inner_->server_->leave(
        [this](ControlServer::Connection connection) { return !inner_->beyond_hello_.contains(connection); });
}

std::size_t Control::parked() const {
    return inner_->parked();
}

}  // namespace pmctl
