#include "supervisor/io/http_server.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "shared/json_text.hpp"
#include "supervisor/io/http_peer.hpp"
#include "supervisor/io/http_socket.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

namespace {

using State = HttpPeer::State;

constexpr int accepted_a_turn = 64;
// Answers of pipelined requests are sent together up to about this size.
constexpr std::size_t together_bytes = std::size_t{64} << 10;
// Without descriptors there is no use in trying at once again.
constexpr Duration accept_pause = std::chrono::milliseconds(100);
// A client that still sends when its last answer is on its way would lose that by a reset: RFC 9112, 9.6.
constexpr Duration linger = std::chrono::seconds(2);

constexpr std::string_view too_many =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

std::string_view kind_of(int status) {
    switch (status) {
        case 401:
        case 404: return "not_found";
        case 403:
        case 503: return "unavailable";
        case 500: return "failed";
        default: return "invalid";
    }
}

}  // namespace

HttpResponse http_error(int status, const std::string& message) {
    HttpResponse response;
    response.status = status;
    JsonWriter out(response.body);
    out.begin_object();
    out.key("error");
    out.begin_object();
    out.key("code");
    out.number(std::int64_t{status});
    out.key("kind");
    out.string(kind_of(status));
    out.key("message");
    out.string(message);
    out.end_object();
    out.end_object();
    response.body += '\n';
    if (status == 405) response.headers = "Allow: GET, HEAD\r\n";
    return response;
}

struct HttpServer::Inner {
    using PeerPtr = std::shared_ptr<HttpPeer>;

    Inner(Loop& loop, HttpSocket socket, const Limits& limits, Hooks hooks)
        : loop_(loop),
          socket_(std::move(socket)),
          limits_(limits),
          hooks_(std::move(hooks)),
          timer_(loop, [this] { look(); }) {}
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;
    ~Inner() {
        loop_.unwatch(socket_.fd);
        ::close(socket_.fd);
        if (!socket_.path.empty()) ::unlink(socket_.path.c_str());
        for (const auto& [ticket, peer] : peers_) {
            loop_.unwatch(peer->fd);
            ::close(peer->fd);
        }
    }

    Result<void> open() {
        return loop_.watch(socket_.fd, EPOLLIN, [this](std::uint32_t) { accept_some(); });
    }
    void accept_some();
    void add(int fd);
    void ready(Ticket ticket, std::uint32_t events);
    void take_requests(HttpPeer& peer);
    void ask(HttpPeer& peer, const HttpRequests::Taken& taken);
    void answer(HttpPeer& peer, const HttpResponse& response);
    void flush(HttpPeer& peer);
    void watch_anew(HttpPeer& peer);
    void set_deadline(HttpPeer& peer, TimePoint when);
    void look();
    void time_is_up(HttpPeer& peer, TimePoint now);
    void drop(HttpPeer& peer);
    PeerPtr find(Ticket ticket) {
        const auto place = peers_.find(ticket);
        return place == peers_.end() ? nullptr : place->second;
    }

    Loop& loop_;
    HttpSocket socket_;
    Limits limits_;
    Hooks hooks_;
    Timer timer_;
    std::unordered_map<Ticket, PeerPtr> peers_;
    std::set<std::pair<TimePoint, Ticket>> looks_;
    TimePoint accept_again_ = TimePoint::max();
    Ticket last_ = 0;
};

void HttpServer::Inner::accept_some() {
    for (int i = 0; i < accepted_a_turn; ++i) {
        const int fd = ::accept4(socket_.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add(fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            loop_.unwatch(socket_.fd);
            accept_again_ = Loop::now().steady + accept_pause;
            if (looks_.empty() || accept_again_ < looks_.begin()->first) timer_.set(accept_again_);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

void HttpServer::Inner::add(int fd) {
    if (peers_.size() >= std::min(limits_.connections, max_connections)) {
        // What it does not take at once it does not get.
        [[maybe_unused]] const auto sent = ::send(fd, too_many.data(), too_many.size(), MSG_NOSIGNAL);
        ::close(fd);
        return;
    }
    const int on = 1;
    if (socket_.port != 0) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto peer = std::make_shared<HttpPeer>();
    peer->ticket = ++last_;
    peer->fd = fd;
    peer->watched = EPOLLIN;
    const auto watched =
        loop_.watch(fd, EPOLLIN, [this, ticket = last_](std::uint32_t events) { ready(ticket, events); });
    if (!watched) {
        ::close(fd);
        return;
    }
    peer->progress = Loop::now().steady;
    peers_.emplace(peer->ticket, peer);
    set_deadline(*peer, peer->progress + limits_.idle_time);
}

void HttpServer::Inner::ready(Ticket ticket, std::uint32_t events) {
    const PeerPtr peer = find(ticket);
    if (!peer) return;
    const bool readable = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
    if (readable && !receive(*peer)) return drop(*peer);
    const bool waits = peer->state == State::Asked || peer->state == State::Streaming;
    if (peer->half_gone && (waits || peer->state == State::Ending)) return drop(*peer);
    // More than one request ahead while an answer is awaited is nobody's need.
    if (waits && peer->in.size() > max_header_bytes) return drop(*peer);
    take_requests(*peer);
}

// As far as its answers are small; the rest when those have been sent.
void HttpServer::Inner::take_requests(HttpPeer& peer) {
    if (peer.taking || peer.fd < 0) return;
    peer.taking = true;
    bool starved = false;
    while (peer.fd >= 0 && peer.state == State::Reading && !peer.ends && !peer.shared &&
           peer.backlog() < together_bytes) {
        const auto taken = peer.requests.take(peer.in);
        starved = !taken;
        if (starved) break;
        ask(peer, *taken);
    }
    peer.taking = false;
    if (peer.fd < 0) return;
    if (starved && peer.half_gone) peer.ends = true;
    flush(peer);
}

void HttpServer::Inner::ask(HttpPeer& peer, const HttpRequests::Taken& taken) {
    peer.state = State::Asked;
    peer.head = taken.request.head;
    peer.keep_alive = taken.keep_alive;
    peer.deadline = TimePoint::max();
    if (taken.refuse != 0) return answer(peer, http_error(taken.refuse, std::string(taken.why)));
    try {
        hooks_.asked(peer.ticket, taken.request);
    } catch (const std::exception&) {
        // The client is not to wait for ever; the loop reports the bug.
        peer.taking = false;
        peer.keep_alive = false;
        if (peer.state == State::Asked) answer(peer, http_error(500, "a bug in the supervisor"));
        throw;
    }
}

void HttpServer::Inner::answer(HttpPeer& peer, const HttpResponse& response) {
    const Now now = Loop::now();
    add_answer(peer, response, now.wall);
    peer.ends = !peer.keep_alive;
    peer.state = State::Reading;
    peer.progress = now.steady;
    set_deadline(peer, now.steady + limits_.idle_time);
    if (!peer.taking) flush(peer);
}

void HttpServer::Inner::flush(HttpPeer& peer) {
    const std::size_t before = peer.backlog();
    if (!send_some(peer)) return drop(peer);
    const std::size_t left = peer.backlog();
    if (left < before) {
        peer.progress = Loop::now().steady;
        if (peer.state == State::Reading) set_deadline(peer, peer.progress + limits_.idle_time);
    }
    if (peer.state == State::Streaming && left > max_backlog_bytes) return drop(peer);
    if (left == 0 && peer.ends) {
        if (peer.half_gone) return drop(peer);
        if (std::exchange(peer.state, State::Ending) != State::Ending) {
            ::shutdown(peer.fd, SHUT_WR);
            set_deadline(peer, Loop::now().steady + linger);
        }
    }
    watch_anew(peer);
    if (left == 0 && peer.fd >= 0 && peer.state == State::Streaming) hooks_.drained(peer.ticket);
    // Requests that came meanwhile, and whose bytes will not be announced again.
    if (left == 0 && before > 0 && peer.state == State::Reading && !peer.ends) take_requests(peer);
}

void HttpServer::Inner::watch_anew(HttpPeer& peer) {
    const bool has_room = peer.state != State::Reading || peer.in.size() <= max_header_bytes;
    const std::uint32_t events = (has_room && !peer.half_gone ? std::uint32_t{EPOLLIN} : 0U) |
                                 (peer.backlog() > 0 ? std::uint32_t{EPOLLOUT} : 0U);
    if (std::exchange(peer.watched, events) == events) return;
    if (!loop_.rewatch(peer.fd, events)) drop(peer);
}

// It is looked at then or earlier: most deadlines move on before they are due.
void HttpServer::Inner::set_deadline(HttpPeer& peer, TimePoint when) {
    peer.deadline = when;
    if (when >= peer.look_at) return;
    looks_.erase({peer.look_at, peer.ticket});
    peer.look_at = when;
    looks_.emplace(when, peer.ticket);
    if (looks_.begin()->second == peer.ticket) timer_.set(std::min(when, accept_again_));
}

void HttpServer::Inner::look() {
    const TimePoint now = Loop::now().steady;
    if (accept_again_ <= now) {
        accept_again_ = TimePoint::max();
        if (!open()) accept_again_ = now + accept_pause;
    }
    while (!looks_.empty() && looks_.begin()->first <= now) {
        const PeerPtr peer = find(looks_.begin()->second);
        looks_.erase(looks_.begin());
        peer->look_at = TimePoint::max();
        if (peer->deadline <= now) {
            time_is_up(*peer, now);
        } else if (peer->deadline != TimePoint::max()) {
            set_deadline(*peer, peer->deadline);
        }
    }
    timer_.set(looks_.empty() ? accept_again_ : std::min(looks_.begin()->first, accept_again_));
}

void HttpServer::Inner::time_is_up(HttpPeer& peer, TimePoint now) {
    switch (peer.state) {
        case State::Reading:
        case State::Ending: return drop(peer);
        case State::Asked: return hooks_.time_is_up(peer.ticket);
        case State::Streaming:
            if (peer.backlog() > 0 && now - peer.progress > limits_.idle_time) return drop(peer);
            set_deadline(peer, now + limits_.keep_alive_comment);
            peer.out += ":\n\n";
            return flush(peer);
    }
}

void HttpServer::Inner::drop(HttpPeer& peer) {
    if (peer.fd < 0) return;
    const bool tell = peer.state == State::Asked || peer.state == State::Streaming;
    loop_.unwatch(peer.fd);
    ::close(std::exchange(peer.fd, -1));
    looks_.erase({peer.look_at, peer.ticket});
    const PeerPtr alive = find(peer.ticket);  // until this is over
    peers_.erase(peer.ticket);
    if (tell) hooks_.lost(peer.ticket);
}

Result<HttpServer> HttpServer::listen(Loop& loop, const std::string& address, const Limits& limits,
                                      Hooks hooks, Descriptor listening) {
    auto socket = listening ? resume_http_socket(address, std::move(listening)) : open_http_socket(address);
    if (!socket) return tl::unexpected(socket.error());
    // Closed if there is no descriptor for the timer: else the next try finds the address held by us.
    Descriptor kept(socket->fd);
    std::unique_ptr<Inner> inner;
    try {
        inner = std::make_unique<Inner>(loop, std::move(*socket), limits, std::move(hooks));
    } catch (const std::system_error& error) {
        return fail("[http] cannot listen on '" + address + "': " + error.what());
    }
    kept.release();
    if (auto opened = inner->open(); !opened) return tl::unexpected(opened.error());
    return HttpServer(std::move(inner));
}

HttpServer::HttpServer(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}
HttpServer::HttpServer(HttpServer&&) noexcept = default;
HttpServer& HttpServer::operator=(HttpServer&&) noexcept = default;
HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const {
    return inner_->socket_.port;
}

void HttpServer::let_in(bool open) {
    // Open: watched in the next turn, and tried again where that fails.
    inner_->accept_again_ = open ? Loop::now().steady : TimePoint::max();
    if (!open) return inner_->loop_.unwatch(inner_->socket_.fd);
    inner_->timer_.set(inner_->accept_again_);
}

int HttpServer::listening() const {
    return inner_->socket_.fd;
}

std::size_t HttpServer::connections() const {
    return inner_->peers_.size();
}

void HttpServer::reply(Ticket ticket, const HttpResponse& response) {
    const auto peer = inner_->find(ticket);
    if (peer && peer->state == State::Asked) inner_->answer(*peer, response);
}

void HttpServer::hold(Ticket ticket, TimePoint until) {
    const auto peer = inner_->find(ticket);
    if (peer && peer->state == State::Asked) inner_->set_deadline(*peer, until);
}

bool HttpServer::stream(Ticket ticket) {
    const auto peer = inner_->find(ticket);
    if (!peer || peer->state != State::Asked) return false;
    const Now now = Loop::now();
    add_stream_head(*peer, now.wall);
    peer->progress = now.steady;
    if (peer->head) {
        peer->ends = true;
        peer->state = State::Reading;
        return false;
    }
    peer->state = State::Streaming;
    inner_->set_deadline(*peer, now.steady + inner_->limits_.keep_alive_comment);
    return true;
}

void HttpServer::push(Ticket ticket, std::string_view text) {
    const auto peer = inner_->find(ticket);
    if (!peer || peer->state != State::Streaming) return;
    peer->out += text;
    if (!peer->taking) inner_->flush(*peer);
}

}  // namespace pmctl
