#include "cli/client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <utility>

#include "cli/nng_handles.hpp"

namespace pmctl {

namespace {

// One that takes connections and does not answer: it is stopped, or hangs.
constexpr Duration greeting_patience = std::chrono::seconds(30);

// A send that cannot begin is tried again in such steps, until the connection is known to be lost or this is
// over.
constexpr int send_try_ms = 20;
// For nng's timers; the one before it dials again may be none at all (nni_random in dialer_timer_start_locked
// may be negative), so a second connection is closed besides.
constexpr int never_again_ms = 1 << 28;
constexpr std::chrono::seconds send_patience(5);
constexpr std::size_t number_bytes = 4;  // nng's own of a request, which counts as a part of it

// A supervisor that lives and does not listen yet is tried in such steps, for so long.
constexpr int begin_try_ms = 10;
constexpr std::chrono::seconds begin_patience(5);
constexpr std::chrono::seconds upgrade_patience(10);

}  // namespace

struct Client::Inner {
    // What nng's threads tell of it.
    struct Connection {
        int lost = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);  // readable once it has gone
        std::atomic<bool> was_made = false;
    };

    Inner() = default;
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;
    ~Inner() {
        // First; where its threads may still tell of the connection, that stays.
        if (ends_with_process) leave();
        close();
        if (is_left_behind) {
            [[maybe_unused]] const Connection* const theirs = connection.release();
        } else if (connection && connection->lost >= 0) {
            ::close(connection->lost);
        }
        if (either >= 0) ::close(either);
    }
    void close() {
        if (!socket.close()) is_left_behind = true;
    }
    void leave() {
        if (socket.leave()) is_left_behind = true;
    }

    Result<void> open(const std::string& path);
    Result<void> watch();
    bool is_lost() const {
        pollfd gone{connection->lost, POLLIN, 0};
        return ::poll(&gone, 1, 0) != 0;
    }
    static void set_lost(const Connection& connection) {
        const std::uint64_t one = 1;
        if (::write(connection.lost, &one, sizeof one) < 0) return;  // it is readable already
    }
    static void report(nng_pipe pipe, nng_pipe_ev event, void* connection);
    tl::unexpected<Error> went_away() const {
        return fail(ErrorKind::Unavailable, "the supervisor at '" + path + "' went away");
    }

    NngSocket socket;
    bool is_left_behind = false;  // threads of nng's may still use it
    bool ends_with_process = false;
    std::string path;
    std::unique_ptr<Connection> connection;
    int either = -1;  // an epoll of its `lost` and what nng signals a reply with
    std::uint64_t last_id = 0;
    int peer_pid = 0;
    std::uint64_t connections = 1;
};

Result<void> Client::Inner::open(const std::string& socket_path) {
    path = socket_path;
    {
        const SignalsBlocked while_threads_start;
        if (const int error = nng_req0_open(socket.out()); error != 0) return fail("nng: " + nng_text(error));
    }
    // Sent again, a restart would happen twice: not after a minute, nor on a new connection, of which there
    // is none (report). Were it NNG_DURATION_INFINITE, nng 1.5.2 would throw a reply away that has come, and
    // was not taken yet, when its connection ends (req0_pipe_close).
    nng_socket_set_ms(socket.get(), NNG_OPT_REQ_RESENDTIME, never_again_ms);
    nng_socket_set_ms(socket.get(), NNG_OPT_SENDTIMEO, send_try_ms);
    nng_socket_set_size(socket.get(), NNG_OPT_RECVMAXSZ, 0);  // a status of ten thousand is long
    // come_back opens a socket anew: this one is not to be connected again behind its back.
    nng_socket_set_ms(socket.get(), NNG_OPT_RECONNMINT, never_again_ms);
    nng_socket_set_ms(socket.get(), NNG_OPT_RECONNMAXT, never_again_ms);
    if (auto watched = watch(); !watched) return watched;
    switch (const int error = nng_dial(socket.get(), ("ipc://" + path).c_str(), nullptr, 0)) {
        case 0: return {};
        case NNG_EPERM: return fail(ErrorKind::Denied, "not permitted to open '" + path + "'");
        case NNG_ENOENT:
        case NNG_ECONNREFUSED:
            return fail(ErrorKind::Unavailable,
                        "no supervisor answers at '" + path + "' (is it running? start it with: pmctl up)");
        default:
            return fail(ErrorKind::Unavailable,
                        "no supervisor answers at '" + path + "': " + nng_text(error));
    }
}

Result<void> Client::Inner::watch() {
    connection = std::make_unique<Connection>();
    either = ::epoll_create1(EPOLL_CLOEXEC);
    int arrived = -1;
    if (connection->lost < 0 || either < 0) return fail("no descriptors left for the connection");
    if (const int error = nng_socket_get_int(socket.get(), NNG_OPT_RECVFD, &arrived); error != 0)
        return fail("nng: " + nng_text(error));
    for (const int fd : {connection->lost, arrived}) {
        epoll_event event{};
        event.events = EPOLLIN;
        if (::epoll_ctl(either, EPOLL_CTL_ADD, fd, &event) != 0) return fail("epoll_ctl failed");
    }
    for (const nng_pipe_ev event : {NNG_PIPE_EV_ADD_PRE, NNG_PIPE_EV_REM_POST})
        nng_pipe_notify(socket.get(), event, &report, connection.get());
    return {};
}

void Client::Inner::report(nng_pipe pipe, nng_pipe_ev event, void* connection) {
    auto& only = *static_cast<Connection*>(connection);
    if (event == NNG_PIPE_EV_REM_POST) {
        set_lost(only);
    } else if (only.was_made.exchange(true)) {
        nng_pipe_close(pipe);
    }
}

namespace {

// The lock that a supervisor holds as long as it lives, whatever program it is: see pid_file.hpp there.
bool has_living_supervisor(const std::string& socket_path) {
    const std::string path = socket_path.substr(0, socket_path.rfind('/') + 1) + "pmctld.pid";
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return false;
    const bool locked = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ::close(fd);
    return locked;
}

// What a request that changes nothing is after the supervisor has begun anew; nothing for others. Numbers of
// the earlier program mean something else now, but for those of events and logs.
std::optional<Request> asked_anew(const Request& request) {
    if (const auto* status = std::get_if<StatusRequest>(&request)) {
        StatusRequest again = *status;
        again.since = 0;
        return again;
    }
    if (const auto* routes = std::get_if<RoutesRequest>(&request)) {
        RoutesRequest again = *routes;
        again.since = 0;
        return again;
    }
    const bool asks =
        std::holds_alternative<HelloRequest>(request) || std::holds_alternative<DescribeRequest>(request) ||
        std::holds_alternative<LogsRequest>(request) || std::holds_alternative<EventsRequest>(request) ||
        std::holds_alternative<WhyRequest>(request) || std::holds_alternative<ConfigRequest>(request) ||
        std::holds_alternative<PortsRequest>(request) || std::holds_alternative<AdminRequest>(request) ||
        std::holds_alternative<ReportRequest>(request);
    if (!asks) return std::nullopt;
    return request;
}

}  // namespace

Result<Client> Client::connect(const std::string& socket_path) {
    const auto until = std::chrono::steady_clock::now() + begin_patience;
    for (;;) {
        auto client = connect_once(socket_path);
        const bool waits = !client && client.error().kind == ErrorKind::Unavailable &&
                           std::chrono::steady_clock::now() < until && has_living_supervisor(socket_path);
        if (!waits) return client;
        ::poll(nullptr, 0, begin_try_ms);
    }
}

Result<Client> Client::connect_once(const std::string& socket_path) {
    auto inner = std::make_unique<Inner>();
    if (auto opened = inner->open(socket_path); !opened) return tl::unexpected(opened.error());
    Client client(std::move(inner));
    const auto hello = client.ask_once(HelloRequest{}, greeting_patience);
    if (hello) return client;
    switch (hello.error().kind) {
        case ErrorKind::Timeout:
            return fail(ErrorKind::Timeout,
                        "the supervisor at '" + socket_path + "' takes connections and does not answer");
        case ErrorKind::Unavailable:  // its program is being replaced, or it ends
        case ErrorKind::Denied: return tl::unexpected(hello.error());
        case ErrorKind::Failed:
        case ErrorKind::Invalid:
        case ErrorKind::Unsettled:
        case ErrorKind::NotFound: break;  // it answers
    }
    return client;
}

Client::Client(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

void Client::leave_to_process_end() {
    inner_->ends_with_process = true;
}

Result<void> Client::send(const Request& request) {
    const std::string text = to_text(++inner_->last_id, request);
    if (text.size() + number_bytes > max_message_bytes)
        return fail(ErrorKind::Invalid, "the request is too long: name fewer targets, or use a glob");
    nng_msg* raw = nullptr;
    if (nng_msg_alloc(&raw, 0) != 0) return fail("out of memory");
    NngMessage message(raw);
    if (nng_msg_append(raw, text.data(), text.size()) != 0) return fail("out of memory");
    // A connection that carries a request or its last bytes takes the next one a moment later: only one that
    // is lost never does.
    const auto until = std::chrono::steady_clock::now() + send_patience;
    while (true) {
        const int error = nng_sendmsg(inner_->socket.get(), raw, 0);
        if (error == 0) {
            message.release();
            return {};
        }
        if (error == NNG_ECLOSED) return inner_->went_away();
        if (error != NNG_ETIMEDOUT) return fail("nng: " + nng_text(error));
        if (inner_->is_lost() || std::chrono::steady_clock::now() >= until) {
            return inner_->went_away();
        }
    }
}

int Client::peer_pid() const {
    return inner_->peer_pid;
}

std::uint64_t Client::connections() const {
    return inner_->connections;
}

int Client::fd() const {
    return inner_->either;
}

std::optional<Result<Reply>> Client::receive() {
    // First: what came before its end is there by then.
    const bool is_lost = inner_->is_lost();
    nng_msg* raw = nullptr;
    const int error = nng_recvmsg(inner_->socket.get(), &raw, NNG_FLAG_NONBLOCK);
    if (error == 0) {
        const NngMessage message(raw);
        // The number that the process has here: in a namespace of its own it knows another one.
        std::uint64_t pid = 0;
        const nng_pipe pipe = nng_msg_get_pipe(raw);
        if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0)
            inner_->peer_pid = static_cast<int>(pid);
        return parse_reply(message.body(), inner_->last_id);
    }
    if (error == NNG_EAGAIN && !is_lost) return std::nullopt;
    // nng may tell the request of it before it tells the connection's owner.
    Inner::set_lost(*inner_->connection);
    return inner_->went_away();
}

bool Client::come_back(Duration patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    // The lost one is left where it may be: nng's close may stay in it (nng_handles.hpp).
    if (inner_->ends_with_process) {
        inner_->leave();
    } else {
        inner_->close();
    }
    do {
        if (auto again = connect_once(inner_->path)) {
            again->inner_->ends_with_process = inner_->ends_with_process;
            again->inner_->connections += inner_->connections;
            inner_ = std::move(again->inner_);
            return true;
        }
        ::poll(nullptr, 0, begin_try_ms);
    } while (has_living_supervisor(inner_->path) && std::chrono::steady_clock::now() < until);
    return false;
}

Result<Reply> Client::ask(const Request& request, Duration limit) {
    const auto again = asked_anew(request);
    // What is lost by now does not take it: the program that came after does.
    const bool has_next =
        inner_->is_lost() && has_living_supervisor(inner_->path) && come_back(upgrade_patience);
    auto reply = ask_once(has_next && again ? *again : request, limit);
    while (!reply && reply.error().kind == ErrorKind::Unavailable && inner_->is_lost() && again) {
        if (!has_living_supervisor(inner_->path) || !come_back(upgrade_patience)) break;
        reply = ask_once(*again, limit);
    }
    return reply;
}

Result<Reply> Client::ask_once(const Request& request, Duration limit) {
    if (auto sent = send(request); !sent) return tl::unexpected(sent.error());
    const auto until = std::chrono::steady_clock::now() + wait_of(request) + limit;
    while (true) {
        if (auto reply = receive()) return std::move(*reply);
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0)
            return fail(ErrorKind::Timeout,
                        "the supervisor did not answer within " + format_duration(wait_of(request) + limit));
        pollfd ready{fd(), POLLIN, 0};
        ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    }
}

}  // namespace pmctl
