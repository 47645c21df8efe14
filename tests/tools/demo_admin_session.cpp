#include "tests/tools/demo_admin_session.hpp"

#include <sys/socket.h>

// g++ 12 takes an empty boost::optional for an uninitialised one where it inlines much.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#pragma GCC diagnostic pop
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <sstream>
#include <type_traits>
#include <utility>

namespace pmctl {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

constexpr std::uint32_t max_header_bytes = 16 * 1024;
constexpr std::uint64_t max_body_bytes = std::uint64_t{64} * 1024;  // of a request: none is wanted
constexpr auto handshake_longest = std::chrono::seconds(10);
constexpr auto idle_longest = std::chrono::minutes(5);    // between two requests
constexpr auto write_longest = std::chrono::seconds(30);  // without a byte taken

std::string text(beast::string_view view) {
    return {view.data(), view.size()};
}

template <class Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
  public:
    template <class... Arguments>
    explicit Session(DemoSessions& sessions, Arguments&&... arguments)
        : sessions_(sessions), stream_(std::forward<Arguments>(arguments)...) {}

    void begin() {
        number_ = sessions_.enter([weak = this->weak_from_this()] {
            if (const auto self = weak.lock()) self->stop();
        });
        if constexpr (std::is_same_v<Stream, TlsStream>) {
            socket().expires_after(handshake_longest);
            stream_.async_handshake(asio::ssl::stream_base::server,
                                    [self = this->shared_from_this()](beast::error_code error) {
                                        if (error) return self->close();
                                        self->read();
                                    });
        } else {
            read();
        }
    }

  private:
    enum class Stage { Reading, Waiting, Writing, Closed };

    beast::tcp_stream& socket() { return beast::get_lowest_layer(stream_); }

    void read() {
        if (sessions_.is_stopping()) return close();
        stage_ = Stage::Reading;
        parser_.emplace();
        parser_->header_limit(max_header_bytes);
        parser_->body_limit(max_body_bytes);
        socket().expires_after(idle_longest);
        http::async_read(stream_, buffer_, *parser_,
                         [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                             self->has_read(error);
                         });
    }

    void has_read(beast::error_code error) {
        if (stage_ == Stage::Closed) return;
        if (error == http::error::end_of_stream) return farewell();
        if (error) {
            // Only what Beast itself says is about the request; all else is the connection's end.
            const bool is_request =
                error.category() == http::make_error_code(http::error::bad_method).category();
            if (!is_request || error == http::error::partial_message) return close();
            keep_alive_ = false;
            say("no HTTP request: 400");
            return write({.status = 400, .body = "no HTTP request: " + error.message() + "\n"});
        }
        const auto& request = parser_->get();
        DemoQuestion question;
        question.method = text(request.method_string());
        question.target = text(request.target());
        question.authorization = text(request[http::field::authorization]);
        question.internal_secret = text(request["X-Internal-Secret"]);
        question.if_none_match = text(request[http::field::if_none_match]);
        keep_alive_ = request.keep_alive();
        version_ = request.version();
        stage_ = Stage::Waiting;
        socket().expires_never();
        const auto ticket = sessions_.desk().ask(
            std::move(question),
            [self = this->shared_from_this()](const DemoReply& reply) { self->write(reply); });
        if (ticket != 0) {
            ticket_ = ticket;
            watch_peer();
        }
    }

    // Who hangs up while a poll is held is not to be kept for the rest of it.
    void watch_peer() {
        socket().socket().async_wait(
            asio::ip::tcp::socket::wait_read,
            [self = this->shared_from_this(), ticket = ticket_](beast::error_code error) {
                if (error || ticket != self->ticket_) return;
                char byte = 0;
                const auto found =
                    ::recv(self->socket().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
                const bool has_more = found > 0 || (found < 0 && (errno == EAGAIN || errno == EINTR));
                if (!has_more) self->close();
            });
    }

    void write(const DemoReply& reply) {
        ticket_ = 0;
        if (stage_ == Stage::Closed) return;
        stage_ = Stage::Writing;
        if (sessions_.is_stopping()) keep_alive_ = false;
        http::response<http::string_body> response(static_cast<http::status>(reply.status), version_);
        response.set(http::field::server, "pmctl-demo-admin");
        response.set(http::field::content_type, reply.type);
        if (!reply.etag.empty()) response.set(http::field::etag, reply.etag);
        if (!reply.location.empty()) response.set(http::field::location, reply.location);
        if (reply.status == 401) response.set(http::field::www_authenticate, "Bearer");
        if (reply.status == 405) response.set(http::field::allow, "GET");
        response.keep_alive(keep_alive_);
        const bool has_body = reply.status != 304 || reply.stray;  // RFC 9110, section 15.4.5
        if (has_body) response.content_length(reply.body.size());
        std::ostringstream head;
        head << response.base();
        out_ = head.str();
        if (has_body) out_.append(reply.body, 0, reply.cut ? reply.body.size() / 2 : std::string::npos);
        socket().expires_after(write_longest);
        asio::async_write(
            stream_, asio::buffer(out_),
            [self = this->shared_from_this(), cut = reply.cut](beast::error_code error, std::size_t) {
                if (error || cut || self->stage_ == Stage::Closed) return self->close();
                if (!self->keep_alive_) return self->farewell();
                self->read();
            });
    }

    // The peer is to know that this was all: TLS by its own message, TCP by the end of what is sent.
    void farewell() {
        if constexpr (std::is_same_v<Stream, TlsStream>) {
            socket().expires_after(handshake_longest);
            stream_.async_shutdown([self = this->shared_from_this()](beast::error_code) { self->close(); });
        } else {
            beast::error_code ignored;
            socket().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
            // To close over what was not read resets the connection, and takes the answer along.
            std::array<char, 4096> unread{};
            const int fd = socket().socket().native_handle();
            for (int i = 0; i < 64 && ::recv(fd, unread.data(), unread.size(), MSG_DONTWAIT) > 0; ++i) {
            }
            close();
        }
    }

    void stop() {
        if (stage_ == Stage::Reading) close();
    }

    void close() {
        if (stage_ == Stage::Closed) return;
        stage_ = Stage::Closed;
        if (ticket_ != 0) sessions_.desk().forget(std::exchange(ticket_, 0));
        socket().close();
        sessions_.leave(number_);
    }

    DemoSessions& sessions_;
    Stream stream_;
    beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
    std::string out_;
    DemoSessions::Number number_ = 0;
    DemoDesk::Number ticket_ = 0;
    unsigned version_ = 11;
    bool keep_alive_ = true;
    Stage stage_ = Stage::Reading;
};

}  // namespace

void DemoSessions::begin(asio::ip::tcp::socket socket, asio::ssl::context* tls) {
    if (tls == nullptr)
        std::make_shared<Session<PlainStream>>(*this, std::move(socket))->begin();
    else
        std::make_shared<Session<TlsStream>>(*this, std::move(socket), *tls)->begin();
}

DemoSessions::Number DemoSessions::enter(std::function<void()> stopper) {
    stoppers_.emplace(++last_, std::move(stopper));
    return last_;
}

void DemoSessions::leave(Number number) {
    stoppers_.erase(number);
    if (stoppers_.empty() && on_empty_) on_empty_();
}

void DemoSessions::stop() {
    stopping_ = true;
    const auto stoppers = stoppers_;  // they leave meanwhile
    for (const auto& [number, stopper] : stoppers) stopper();
}

}  // namespace pmctl
