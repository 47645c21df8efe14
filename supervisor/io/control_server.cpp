#include "supervisor/io/control_server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <new>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/protocol.hpp"
#include "supervisor/io/control_client.hpp"
#include "supervisor/io/control_socket.hpp"
#include "supervisor/io/handover.hpp"
#include "supervisor/io/nng_wire.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

namespace {

constexpr int accepted_a_turn = 64;
// Of one connection; then the others, and the rest of the loop, have their turn.
constexpr int requests_a_turn = 16;
// Without descriptors, or memory, there is no use in trying at once again.
constexpr Duration accept_pause = std::chrono::milliseconds(100);
// Of all connections.
constexpr std::size_t kept_for_own = 64;
// How often those are looked at that the kernel has no room to watch.
constexpr Duration look_pause = std::chrono::milliseconds(20);

bool lacks_descriptors(int error) {
    return error == EMFILE || error == ENFILE;
}

Descriptor spare_descriptor() {
    return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

struct ControlServer::Inner {
    using ClientPtr = std::shared_ptr<ControlClient>;

    Inner(Loop& loop, ControlSocket socket, Duration patience, Hooks hooks)
        : loop_(loop),
          socket_(std::move(socket)),
          patience_(patience),
          hooks_(std::move(hooks)),
          timer_(loop, [this] { time_is_up(); }),
          spare_(spare_descriptor()) {}
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;
    ~Inner() {
        loop_.unwatch(socket_.fd());
        for (const auto& [number, client] : clients_) loop_.unwatch(client->fd.get());
    }

    Result<void> open() {
        return loop_.watch(socket_.fd(), EPOLLIN, [this](std::uint32_t) { accept_some(); });
    }
    void accept_some();
    int accept_one();
    bool has_room_for(const Peer& peer) const;
    void add(Descriptor fd);
    void take_in(const ClientPtr& client);
    bool watch(const ControlClient& client) {
        return loop_
            .watch(client.fd.get(), client.watched,
                   [this, number = client.number](std::uint32_t events) { ready(number, events); })
            .has_value();
    }
    void ready(Connection number, std::uint32_t events);
    void serve(ControlClient& client, std::uint32_t events);
    void take_greeting(ControlClient& client);
    void take_requests(ControlClient& client);
    void watch_anew(ControlClient& client);
    void look_at_unwatched();
    void time_is_up();
    void arm();
    void keep_spare() {
        if (!spare_) spare_ = spare_descriptor();
    }
    void drop(ControlClient& client);  // it may be the end of it
    ClientPtr find(Connection number) {
        const auto place = clients_.find(number);
        return place == clients_.end() ? nullptr : place->second;
    }

    Loop& loop_;
    ControlSocket socket_;
    Duration patience_;
    Hooks hooks_;
    Timer timer_;
    std::unordered_map<Connection, ClientPtr> clients_;
    std::deque<std::pair<TimePoint, Connection>> ungreeted_;  // until when; some have been greeted since
    TimePoint accept_again_ = TimePoint::max();
    std::set<Connection> unwatched_;  // epoll_ctl(2) ENOSPC, ENOMEM: they are looked at, look_again_
    TimePoint look_again_ = TimePoint::max();
    // Where all others are in use it makes room for one client: so the supervisor can be asked what is
    // wrong, and told to stop.
    Descriptor spare_;
    Connection last_ = 0;
};

int ControlServer::Inner::accept_one() {
    return ::accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

void ControlServer::Inner::accept_some() {
    for (int i = 0; i < accepted_a_turn; ++i) {
        int fd = accept_one();
        // It may be for nobody: the descriptor is missed before anybody is looked for.
        if (fd < 0 && lacks_descriptors(errno) && spare_) {
            spare_.close();
            fd = accept_one();
        }
        const int error = errno;
        if (fd >= 0) add(Descriptor(fd));
        keep_spare();
        if (fd >= 0) continue;
        if (error == EAGAIN) return;
        if (lacks_descriptors(error) || error == ENOMEM || error == ENOBUFS) {
            loop_.unwatch(socket_.fd());
            accept_again_ = Loop::now().steady + accept_pause;
            return arm();
        }
    }
}

// Those who may stop the supervisor are not to be kept out by others.
bool ControlServer::Inner::has_room_for(const Peer& peer) const {
    const bool is_own = peer.uid == 0 || peer.uid == ::geteuid();
    return clients_.size() < (is_own ? max_connections : max_connections - kept_for_own);
}

void ControlServer::Inner::add(Descriptor fd) {
    auto client = std::make_shared<ControlClient>();
    client->fd = std::move(fd);
    client->peer = peer_of(client->fd.get());
    if (!has_room_for(client->peer) || !send_greeting(*client)) return;
    ungreeted_.emplace_back(Loop::now().steady + patience_, last_ + 1);
    take_in(client);
    arm();
}

void ControlServer::Inner::take_in(const ClientPtr& client) {
    client->number = ++last_;
    client->watched = EPOLLIN;
    clients_.emplace(client->number, client);
    if (watch(*client)) return;
    unwatched_.insert(client->number);
    look_again_ = std::min(look_again_, Loop::now().steady + look_pause);
    arm();
}

void ControlServer::Inner::ready(Connection number, std::uint32_t events) {
    const ClientPtr client = find(number);
    if (!client) return;
    try {
        serve(*client, events);
    } catch (const std::bad_alloc&) {
        hang_up(*client);  // what was to be kept is not
        throw;
    }
}

void ControlServer::Inner::serve(ControlClient& client, std::uint32_t events) {
    const bool hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if ((client.watched & EPOLLIN) == 0) {
        if (hung_up) return drop(client);
    } else if (((events & EPOLLIN) != 0 || hung_up) && !receive(client)) {
        return drop(client);
    }
    if (!send_backlog(client)) return drop(client);
    if (!client.is_greeted) take_greeting(client);
    if (client.is_greeted) take_requests(client);
}

void ControlServer::Inner::take_greeting(ControlClient& client) {
    const std::string_view came = client.untaken().substr(0, requester_greeting.size());
    if (!requester_greeting.starts_with(came)) return drop(client);
    if (came.size() < requester_greeting.size()) return;
    client.taken += came.size();
    client.is_greeted = true;
    while (!ungreeted_.empty()) {
        const ClientPtr first = find(ungreeted_.front().second);
        if (first && !first->is_greeted) break;
        ungreeted_.pop_front();
    }
    arm();
}

void ControlServer::Inner::take_requests(ControlClient& client) {
    const ClientPtr alive = find(client.number);
    for (int i = 0; i < requests_a_turn && client.fd && client.backlog() == 0; ++i) {
        const WireMessage message = first_message(client.untaken(), max_message_bytes);
        if (message.kind == WireMessage::Kind::Unfinished) break;
        if (message.kind == WireMessage::Kind::Broken) return drop(client);
        client.taken += message.bytes;
        if (message.kind == WireMessage::Kind::Lost) continue;
        try {
            hooks_.asked({client.number, client.peer, message.route, message.body});
        } catch (const std::exception&) {
            forget_taken(client);
            watch_anew(client);
            throw;  // the loop reports the bug
        }
    }
    forget_taken(client);
    watch_anew(client);
}

// Who has not taken its reply is not read from. Requests that have come already are taken when it can be
// written to, which is in the next turn.
void ControlServer::Inner::watch_anew(ControlClient& client) {
    if (!client.fd) return;
    const bool has_more =
        first_message(client.untaken(), max_message_bytes).kind != WireMessage::Kind::Unfinished;
    const std::uint32_t events = client.backlog() > 0 || has_more ? EPOLLOUT : EPOLLIN;
    if (std::exchange(client.watched, events) == events || unwatched_.contains(client.number)) return;
    if (!loop_.rewatch(client.fd.get(), events)) hang_up(client);
}

void ControlServer::Inner::look_at_unwatched() {
    for (const Connection number : std::set<Connection>(unwatched_)) {
        const ClientPtr client = find(number);
        if (!client) continue;
        if (watch(*client)) {
            unwatched_.erase(number);
            continue;
        }
        // Its events have the values of epoll's.
        pollfd place{client->fd.get(), static_cast<short>(client->watched), 0};
        if (::poll(&place, 1, 0) == 1) ready(number, static_cast<std::uint32_t>(place.revents));
    }
}

void ControlServer::Inner::time_is_up() {
    // Also where a handler throws.
    struct Rearmed {
        Inner& inner;
        ~Rearmed() { inner.arm(); }
    } const rearmed{*this};
    const TimePoint now = Loop::now().steady;
    while (!ungreeted_.empty() && ungreeted_.front().first <= now) {
        const ClientPtr client = find(ungreeted_.front().second);
        ungreeted_.pop_front();
        if (client && !client->is_greeted) drop(*client);
    }
    if (accept_again_ <= now) {
        accept_again_ = TimePoint::max();
        keep_spare();
        if (!open()) {
            accept_again_ = now + accept_pause;
            accept_some();
        }
    }
    if (look_again_ <= now) {
        look_again_ = now + look_pause;
        look_at_unwatched();
        if (unwatched_.empty()) look_again_ = TimePoint::max();
    }
}

void ControlServer::Inner::arm() {
    const TimePoint greeting = ungreeted_.empty() ? TimePoint::max() : ungreeted_.front().first;
    timer_.set(std::min({greeting, accept_again_, look_again_}));
}

void ControlServer::Inner::drop(ControlClient& client) {
    if (!client.fd) return;
    loop_.unwatch(client.fd.get());
    client.fd.close();
    keep_spare();
    const Connection number = client.number;
    unwatched_.erase(number);
    clients_.erase(number);
    hooks_.gone(number);
}

Result<std::unique_ptr<ControlServer>> ControlServer::listen(Loop& loop, const Place& place, Hooks hooks,
                                                             Left left) {
    auto socket = left.listening
                      ? ControlSocket::resume(std::move(left.listening), place.path, place.mode, place.group)
                      : ControlSocket::open(place.path, place.mode, place.group);
    if (!socket) return tl::unexpected(socket.error());
    auto inner = std::make_unique<Inner>(loop, std::move(*socket), place.patience, std::move(hooks));
    if (auto opened = inner->open(); !opened) return tl::unexpected(opened.error());
    for (Descriptor& each : left.clients) {
        auto client = std::make_shared<ControlClient>();
        client->fd = std::move(each);
        client->peer = peer_of(client->fd.get());
        client->is_greeted = true;
        inner->take_in(client);
    }
    return std::unique_ptr<ControlServer>(new ControlServer(std::move(inner)));
}

ControlServer::ControlServer(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}
ControlServer::~ControlServer() = default;

void ControlServer::reply(Connection to, std::string_view route, std::string_view body) {
    const auto client = inner_->find(to);
    if (!client) return;
    try {
        const bool is_reading = client->backlog() <= max_backlog_bytes;
        if (!is_reading || !send_reply(*client, route, body)) return hang_up(*client);
    } catch (const std::bad_alloc&) {
        hang_up(*client);  // a part of it may have gone out
        throw;
    }
    if (client->backlog() > 0) inner_->watch_anew(*client);
}

void ControlServer::flush(Duration patience) {
    const TimePoint until = Loop::now().steady + patience;
    for (;;) {
        std::vector<pollfd> behind;
        for (const auto& [number, client] : inner_->clients_) {
            if (client->backlog() > 0 && send_backlog(*client) && client->backlog() > 0)
                behind.push_back({client->fd.get(), POLLOUT, 0});
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Loop::now().steady);
        if (behind.empty() || left.count() <= 0) return;
        ::poll(behind.data(), behind.size(), static_cast<int>(left.count()));
    }
}

ControlServer::Left ControlServer::leave(const std::function<bool(Connection)>& may_go_on) {
    Left left{copy_for_exec(inner_->socket_.fd()), {}};
    for (const auto& [number, client] : inner_->clients_) {
        const bool is_at_rest = client->is_greeted && client->in.empty() && client->backlog() == 0;
        if (is_at_rest && may_go_on(number)) left.clients.push_back(copy_for_exec(client->fd.get()));
    }
    // Those for which there was no descriptor left. What says who they are needs one, too.
    std::erase_if(left.clients, [](const Descriptor& each) { return !each; });
    inner_->spare_.close();
    return left;
}

}  // namespace pmctl
