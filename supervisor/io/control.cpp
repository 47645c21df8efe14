#include "supervisor/io/control.hpp"

#include <sys/epoll.h>

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
#include "shared/nng_handles.hpp"
#include "supervisor/io/control_listener.hpp"
#include "supervisor/io/peer_check.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

namespace {

constexpr int requests_a_turn = 64;  // then the rest of the loop has its turn
// Replies under way to clients. nng takes them off at once, and drops those of a client that does not read.
constexpr int send_buffer = 8192;
constexpr int receive_buffer = 256;
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
    // Where a reply goes: what nng put in front of the request.
    struct Return {
        std::string header;
        nng_pipe pipe{};
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
          listener_(loop, settings_.socket_path, settings_.mode, settings_.group),
          timer_(loop, [this] { time_is_up(); }) {}
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;
    ~Inner() {
        if (receive_fd_ >= 0) loop_.unwatch(receive_fd_);
        if (!socket_.close()) listener_.leave_behind();
    }

    Result<void> listen();
    void receive();
    void take(const NngMessage& message);
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
    void sweep();
    Waiting& waiting(Topic topic) { return waiting_.at(static_cast<std::size_t>(topic)); }
    void forget(Topic topic, Waiting::iterator parked);
    std::size_t parked() const { return deadlines_.size(); }

    Loop& loop_;
    ControlSettings settings_;
    Handler handler_;
    std::function<void(uid_t)> on_refused_;
    PeerCheck check_;
    ControlListener listener_;
    Timer timer_;
    NngSocket socket_;
    int receive_fd_ = -1;
    std::array<Waiting, topics> waiting_;
    std::set<std::tuple<TimePoint, Topic, std::uint64_t>> deadlines_;
    std::array<bool, topics> asked_{};  // they are asked again when this turn is over
    TimePoint logs_told_{};
    TimePoint logs_due_ = TimePoint::max();
    std::uint64_t last_parked_ = 0;
    std::deque<Held> held_;
    std::uint64_t released_ = 0;
    TimePoint answered_at_{};
};

Result<void> Control::Inner::listen() {
    const std::string& path = settings_.socket_path;
    if (path.size() > max_socket_path_bytes) {
        return fail(ErrorKind::Invalid, "the control socket's path has " + std::to_string(path.size()) +
                                            " bytes, at most 107 are possible: '" + path +
                                            "'; set a shorter [supervisor] runtime_dir");
    }
    const auto failed = [&](int error) {
        return fail("cannot listen on '" + path + "': " + nng_text(error));
    };
    {
        const SignalsBlocked while_threads_start;
        if (const int error = nng_rep0_open_raw(socket_.out()); error != 0) return failed(error);
    }
    nng_socket_set_size(socket_.get(), NNG_OPT_RECVMAXSZ, max_message_bytes);
    nng_socket_set_int(socket_.get(), NNG_OPT_SENDBUF, send_buffer);
    nng_socket_set_int(socket_.get(), NNG_OPT_RECVBUF, receive_buffer);
    if (auto bound = listener_.open(socket_.get()); !bound) return bound;
    if (const int no_fd = nng_socket_get_int(socket_.get(), NNG_OPT_RECVFD, &receive_fd_); no_fd != 0)
        return failed(no_fd);
    return loop_.watch(receive_fd_, EPOLLIN, [this](std::uint32_t) { receive(); });
}

void Control::Inner::receive() {
    for (int i = 0; i < requests_a_turn; ++i) {
        nng_msg* raw = nullptr;
        if (nng_recvmsg(socket_.get(), &raw, NNG_FLAG_NONBLOCK) != 0) return;
        take(NngMessage(raw));
    }
}

void Control::Inner::take(const NngMessage& message) {
    Return to;
    to.header.assign(static_cast<const char*>(nng_msg_header(message.get())),
                     nng_msg_header_len(message.get()));
    to.pipe = nng_msg_get_pipe(message.get());
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    std::uint64_t pid = 0;
    // A pipe that is gone has no one to answer.
    if (nng_pipe_get_uint64(to.pipe, NNG_OPT_IPC_PEER_UID, &uid) != 0) return;
    if (nng_pipe_get_uint64(to.pipe, NNG_OPT_IPC_PEER_GID, &gid) != 0) return;
    nng_pipe_get_uint64(to.pipe, NNG_OPT_IPC_PEER_PID, &pid);
    const Peer peer{static_cast<uid_t>(uid), static_cast<pid_t>(pid)};

    auto request = parse_request(message.body());
    to.id = request ? request->id : request.error().id.value_or(0);
    const TimePoint now = Loop::now().steady;
    if (!check_.allows(peer.uid, static_cast<gid_t>(gid), now)) {
        send(to, error_text(to.id, {ErrorKind::Denied,
                                    "user " + std::to_string(uid) + " may not control this supervisor"}));
        if (check_.first_refusal(peer.uid, now)) on_refused_(peer.uid);
        return;
    }
    if (!request) return send(to, to_text(request.error()));
    answer(to, peer, std::move(request->request), message.body().size() <= parkable_bytes);
}

void Control::Inner::answer(const Return& to, const Peer& peer, Request request, bool may_park) {
    const auto topic = topic_of(request);
    may_park = may_park && topic && wait_of(request) > Duration::zero();
    if (may_park && parked() >= max_parked) sweep();
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
    for (; !held_.empty() && held_.front().until <= released_; held_.pop_front())
        send(held_.front().to, held_.front().text);
}

void Control::Inner::park(Return to, const Peer& peer, Request request, Topic topic) {
    const TimePoint until = Loop::now().steady + std::min(wait_of(request), max_wait);
    const std::uint64_t number = ++last_parked_;
    waiting(topic).emplace(number, Parked{std::move(to), peer, std::move(request), until});
    deadlines_.emplace(until, topic, number);
    arm();
}

void Control::Inner::forget(Topic topic, Waiting::iterator parked) {
    deadlines_.erase({parked->second.until, topic, parked->first});
    waiting(topic).erase(parked);
}

void Control::Inner::send(const Return& to, const std::string& text) {
    nng_msg* raw = nullptr;
    if (nng_msg_alloc(&raw, 0) != 0) return;
    NngMessage message(raw);
    if (nng_msg_header_append(raw, to.header.data(), to.header.size()) != 0) return;
    if (nng_msg_append(raw, text.data(), text.size()) != 0) return;
    // What does not fit is dropped: one client that never reads must not hold up the others.
    if (nng_sendmsg(socket_.get(), raw, NNG_FLAG_NONBLOCK) == 0) message.release();
    answered_at_ = Loop::now().steady;
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
        std::uint64_t uid = 0;
        const bool gone = nng_pipe_get_uint64(parked.to.pipe, NNG_OPT_IPC_PEER_UID, &uid) != 0;
        if (gone || ask(parked.to, parked.request, true, parked.peer)) forget(topic, found);
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
        const Parked parked = std::move(found->second);
        deadlines_.erase(deadlines_.begin());
        waiting(topic).erase(found);
        ask(parked.to, parked.request, false, parked.peer);
    }
    arm();
}

void Control::Inner::arm() {
    TimePoint next = logs_due_;
    if (!deadlines_.empty()) next = std::min(next, std::get<TimePoint>(*deadlines_.begin()));
    timer_.set(next);
}

// Those whose client has gone.
void Control::Inner::sweep() {
    for (const Topic topic : {Topic::Status, Topic::Events, Topic::Logs, Topic::Routes, Topic::Upgrade}) {
        Waiting& all = waiting(topic);
        for (auto each = all.begin(); each != all.end();) {
            const auto current = each++;
            std::uint64_t uid = 0;
            if (nng_pipe_get_uint64(current->second.to.pipe, NNG_OPT_IPC_PEER_UID, &uid) != 0)
                forget(topic, current);
        }
    }
    arm();
}

Result<Control> Control::listen(Loop& loop, ControlSettings settings, Handler handler,
                                std::function<void(uid_t)> on_refused) {
    auto inner =
        std::make_shared<Inner>(loop, std::move(settings), std::move(handler), std::move(on_refused));
    if (auto listens = inner->listen(); !listens) return tl::unexpected(listens.error());
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

TimePoint Control::answered_at() const {
    return inner_->answered_at_;
}

std::size_t Control::parked() const {
    return inner_->parked();
}

}  // namespace pmctl
