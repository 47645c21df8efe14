#include "supervisor/io/control_server.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/protocol.hpp"
#include "supervisor/io/control_socket.hpp"
#include "supervisor/io/nng_wire.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

namespace {

constexpr int accepted_a_turn = 64;
// Of one connection; then the others, and the rest of the loop, have their turn.
constexpr int requests_a_turn = 16;
constexpr std::size_t read_bytes = std::size_t{64} << 10;
// Without descriptors there is no use in trying at once again.
constexpr Duration accept_pause = std::chrono::milliseconds(100);

Peer peer_of(int fd) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return {static_cast<uid_t>(-1), static_cast<gid_t>(-1), 0};
    return {credentials.uid, credentials.gid, credentials.pid};
}

// A buffer that was long once is not kept so for each connection.
void empty(std::string& buffer) {
    if (buffer.capacity() > read_bytes) {
        std::string().swap(buffer);
    } else {
        buffer.clear();
    }
}

struct Client {
    ControlServer::Connection number = 0;
    int fd = -1;  // -1: gone
    Peer peer;
    bool is_greeted = false;
    std::uint32_t watched = 0;
    std::string in;
    std::size_t taken = 0;  // of `in`
    std::string out;
    std::size_t sent = 0;  // of `out`

    std::string_view untaken() const { return std::string_view(in).substr(taken); }
    std::size_t backlog() const { return out.size() - sent; }
};

// What is there, into `in`. False: there is no one any longer.
bool receive(Client& client) {
    std::array<char, read_bytes> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): recv fills it
    const ssize_t count = ::recv(client.fd, bytes.data(), bytes.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    client.in.append(bytes.data(), static_cast<std::size_t>(count));
    return count > 0;
}

// As much of `parts` as the socket takes; the rest into `out`. False: there is no one any longer.
template <std::size_t N>
bool send_or_keep(Client& client, const std::array<std::string_view, N>& parts) {
    std::size_t done = 0;
    if (client.backlog() == 0) {
        std::array<iovec, N> places{};
        // sendmsg(2) does not write to what it sends.
        for (std::size_t i = 0; i < N; ++i)
            places.at(i) = {const_cast<char*>(parts.at(i).data()), parts.at(i).size()};
        msghdr message{};
        message.msg_iov = places.data();
        message.msg_iovlen = N;
        const ssize_t count = ::sendmsg(client.fd, &message, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
        if (count > 0) done = static_cast<std::size_t>(count);
    }
    for (const std::string_view part : parts) {
        client.out += part.substr(std::min(done, part.size()));
        done -= std::min(done, part.size());
    }
    return true;
}

// False: there is no one any longer.
bool send_backlog(Client& client) {
    while (client.backlog() > 0) {
        const ssize_t count =
            ::send(client.fd, client.out.data() + client.sent, client.backlog(), MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno == EAGAIN;
        client.sent += static_cast<std::size_t>(count);
    }
    empty(client.out);
    client.sent = 0;
    return true;
}

void forget_taken(Client& client) {
    client.in.erase(0, std::exchange(client.taken, 0));
    if (client.in.empty()) empty(client.in);
}

// The loop finds its end.
void hang_up(const Client& client) {
    ::shutdown(client.fd, SHUT_RDWR);
}

}  // namespace

struct ControlServer::Inner {
    using ClientPtr = std::shared_ptr<Client>;

    Inner(Loop& loop, ControlSocket socket, Duration patience, Hooks hooks)
        : loop_(loop),
          socket_(std::move(socket)),
          patience_(patience),
          hooks_(std::move(hooks)),
          timer_(loop, [this] { time_is_up(); }) {}
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;
    ~Inner() {
        loop_.unwatch(socket_.fd());
        for (const auto& [number, client] : clients_) {
            loop_.unwatch(client->fd);
            ::close(client->fd);
        }
    }

    Result<void> open() {
        return loop_.watch(socket_.fd(), EPOLLIN, [this](std::uint32_t) { accept_some(); });
    }
    void accept_some();
    void add(int fd);
    void ready(Connection number, std::uint32_t events);
    void take_greeting(Client& client);
    void take_requests(Client& client);
    void watch_anew(Client& client);
    void time_is_up();
    void arm();
    void drop(Client& client);  // it may be the end of it
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
    Connection last_ = 0;
};

void ControlServer::Inner::accept_some() {
    for (int i = 0; i < accepted_a_turn; ++i) {
        const int fd = ::accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add(fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            loop_.unwatch(socket_.fd());
            accept_again_ = Loop::now().steady + accept_pause;
            return arm();
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

void ControlServer::Inner::add(int fd) {
    auto client = std::make_shared<Client>();
    client->number = ++last_;
    client->fd = fd;
    client->peer = peer_of(fd);
    client->watched = EPOLLIN;
    const auto hear = [this, number = last_](std::uint32_t events) { ready(number, events); };
    if (clients_.size() >= max_connections || !send_or_keep(*client, std::array{replier_greeting}) ||
        !loop_.watch(fd, EPOLLIN, hear)) {
        ::close(fd);
        return;
    }
    clients_.emplace(last_, client);
    ungreeted_.emplace_back(Loop::now().steady + patience_, last_);
    arm();
}

void ControlServer::Inner::ready(Connection number, std::uint32_t events) {
    const ClientPtr client = find(number);
    if (!client) return;
    const bool is_awaited = (client->watched & EPOLLIN) != 0;
    const bool hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if (is_awaited ? ((events & EPOLLIN) != 0 || hung_up) && !receive(*client) : hung_up)
        return drop(*client);
    if (!send_backlog(*client)) return drop(*client);
    if (!client->is_greeted) take_greeting(*client);
    if (client->is_greeted) take_requests(*client);
}

void ControlServer::Inner::take_greeting(Client& client) {
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

void ControlServer::Inner::take_requests(Client& client) {
    const ClientPtr alive = find(client.number);
    for (int i = 0; i < requests_a_turn && client.fd >= 0 && client.backlog() == 0; ++i) {
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
void ControlServer::Inner::watch_anew(Client& client) {
    if (client.fd < 0) return;
    const bool has_more =
        first_message(client.untaken(), max_message_bytes).kind != WireMessage::Kind::Unfinished;
    const std::uint32_t events = client.backlog() > 0 || has_more ? EPOLLOUT : EPOLLIN;
    if (std::exchange(client.watched, events) == events) return;
    if (!loop_.rewatch(client.fd, events)) hang_up(client);
}

void ControlServer::Inner::time_is_up() {
    const TimePoint now = Loop::now().steady;
    if (accept_again_ <= now) {
        accept_again_ = TimePoint::max();
        if (!open()) accept_again_ = now + accept_pause;
    }
    while (!ungreeted_.empty() && ungreeted_.front().first <= now) {
        const ClientPtr client = find(ungreeted_.front().second);
        ungreeted_.pop_front();
        if (client && !client->is_greeted) drop(*client);
    }
    arm();
}

void ControlServer::Inner::arm() {
    timer_.set(ungreeted_.empty() ? accept_again_ : std::min(ungreeted_.front().first, accept_again_));
}

void ControlServer::Inner::drop(Client& client) {
    if (client.fd < 0) return;
    loop_.unwatch(client.fd);
    ::close(std::exchange(client.fd, -1));
    const Connection number = client.number;
    clients_.erase(number);
    hooks_.gone(number);
}

Result<std::unique_ptr<ControlServer>> ControlServer::listen(Loop& loop, const Place& place, Hooks hooks) {
    auto socket = ControlSocket::open(place.path, place.mode, place.group);
    if (!socket) return tl::unexpected(socket.error());
    auto inner = std::make_unique<Inner>(loop, std::move(*socket), place.patience, std::move(hooks));
    if (auto opened = inner->open(); !opened) return tl::unexpected(opened.error());
    return std::unique_ptr<ControlServer>(new ControlServer(std::move(inner)));
}

ControlServer::ControlServer(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}
ControlServer::~ControlServer() = default;

void ControlServer::reply(Connection to, std::string_view route, std::string_view body) {
    const auto client = inner_->find(to);
    if (!client) return;
    const auto head = message_head(route.size() + body.size());
    const std::array parts{std::string_view(head.data(), head.size()), route, body};
    if (client->backlog() > max_backlog_bytes || !send_or_keep(*client, parts)) return hang_up(*client);
    if (client->backlog() > 0) inner_->watch_anew(*client);
}

void ControlServer::flush(Duration patience) {
    const TimePoint until = Loop::now().steady + patience;
    for (;;) {
        std::vector<pollfd> behind;
        for (const auto& [number, client] : inner_->clients_) {
            if (client->backlog() > 0 && send_backlog(*client) && client->backlog() > 0)
                behind.push_back({client->fd, POLLOUT, 0});
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Loop::now().steady);
        if (behind.empty() || left.count() <= 0) return;
        ::poll(behind.data(), behind.size(), static_cast<int>(left.count()));
    }
}

}  // namespace pmctl
