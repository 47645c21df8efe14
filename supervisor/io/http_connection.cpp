#include "supervisor/io/http_connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
// g++ 12 takes an empty boost::optional for an uninitialised one where it inlines much.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#pragma GCC diagnostic pop
#include <optional>
#include <utility>
#include <vector>

#include "supervisor/io/http_words.hpp"

namespace pmctl {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

namespace {

// An address that does not answer must not use up the time of those after it.
constexpr auto longest_of_one_address = std::chrono::seconds(5);
constexpr std::size_t most_addresses = 16;
constexpr int most_interim_answers = 16;

// One connection from its opening to its end. It lives as long as something of it is under way, whoever has
// let go of it: each handler holds it, and does nothing once it is closed.
class Session : public std::enable_shared_from_this<Session> {
  public:
    struct Outcome {
        Result<HttpReply> reply;
        bool is_heard = false;  // at least a byte of the answer came
    };
    using Done = std::function<void(Outcome)>;

    Session(asio::io_context& context, HttpPlace place, TlsContext tls)
        : place_(std::move(place)),
          trust_(std::move(tls)),
          resolver_(context),
          socket_(context),
          deadline_(context),
          address_deadline_(context) {}

    const HttpPlace& place() const { return place_; }
    bool is_busy() const { return static_cast<bool>(done_); }

    // Whether a further request may go out on it: open, and nothing has come since the last answer. What
    // comes unasked is its end, a farewell (408), or garbage.
    bool is_idle() {
        if (stage_ != Stage::Idle) return false;
        char byte = 0;
        return ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
               (errno == EAGAIN || errno == EWOULDBLOCK);
    }

    void ask(std::string request, TimePoint deadline, std::string limit, Done done) {
        request_ = std::move(request);
        limit_ = std::move(limit);
        done_ = std::move(done);
        interim_ = 0;
        deadline_.expires_at(deadline);
        deadline_.async_wait([self = shared_from_this(), number = ++number_](const error_code& error) {
            // One that was cancelled too late is of an earlier request.
            if (!error && number == self->number_) self->time_out();
        });
        if (stage_ == Stage::New) {
            resolve();
        } else {
            send();
        }
    }

    void close() {
        stage_ = Stage::Closed;
        done_ = nullptr;
        resolver_.cancel();
        deadline_.cancel();
        address_deadline_.cancel();
        error_code ignored;
        socket_.close(ignored);
    }

  private:
    enum class Stage { New, Resolving, Connecting, Handshaking, Asking, Idle, Closed };

    bool is_closed() const { return stage_ == Stage::Closed; }

    void resolve() {
        stage_ = Stage::Resolving;
        error_code error;
        const auto address = asio::ip::make_address(place_.host, error);
        if (!error) {
            addresses_.emplace_back(address, place_.port);
            return connect(asio::error::host_not_found);
        }
        resolver_.async_resolve(
            place_.host, std::to_string(place_.port), asio::ip::resolver_base::numeric_service,
            [self = shared_from_this()](const error_code& failed, const Tcp::resolver::results_type& found) {
                if (self->is_closed()) return;
                if (failed) return self->lose(words_of(failed) + ": '" + self->place_.host + "'");
                for (const auto& each : found) {
                    if (self->addresses_.size() < most_addresses) self->addresses_.push_back(each.endpoint());
                }
                self->connect(asio::error::host_not_found);
            });
    }

    // To the next address; `last`: what came of the one before.
    void connect(const error_code& last) {
        stage_ = Stage::Connecting;
        if (next_address_ == addresses_.size()) return lose(words_of(last));
        const std::size_t at = next_address_++;
        error_code ignored;
        socket_.close(ignored);
        if (next_address_ < addresses_.size()) {
            address_deadline_.expires_after(longest_of_one_address);
            address_deadline_.async_wait([self = shared_from_this(), at](const error_code& error) {
                if (error || self->stage_ != Stage::Connecting || self->next_address_ != at + 1) return;
                error_code unused;
                self->socket_.cancel(unused);
            });
        }
        socket_.async_connect(addresses_[at], [self = shared_from_this()](const error_code& error) {
            if (self->is_closed()) return;
            self->address_deadline_.cancel();
            if (error)
                return self->connect(error == asio::error::operation_aborted ? asio::error::timed_out
                                                                             : error);
            error_code unused;
            self->socket_.set_option(Tcp::no_delay(true), unused);
            if (!self->place_.is_tls) return self->send();
            self->shake_hands();
        });
    }

    void shake_hands() {
        stage_ = Stage::Handshaking;
        tls_.emplace(socket_, *trust_);
        SSL* native = tls_->native_handle();
        expect_host(native, place_.host);
        error_code error;
        if (SSL_get_verify_mode(native) != SSL_VERIFY_NONE) {
            tls_->set_verify_callback(
                [this](bool good, asio::ssl::verify_context& verification) {
                    if (!good && certificate_fault_.empty())
                        certificate_fault_ = certificate_fault(verification.native_handle(), place_.host);
                    return good;
                },
                error);
        }
        if (error) return lose(words_of(error));
        tls_->async_handshake(
            asio::ssl::stream_base::client, [self = shared_from_this()](const error_code& failed) {
                if (self->is_closed()) return;
                if (!failed) return self->send();
                if (!self->certificate_fault_.empty()) return self->lose(self->certificate_fault_);
                const bool is_end = failed == asio::error::eof ||
                                    failed == asio::ssl::error::stream_truncated ||
                                    failed == asio::error::connection_reset;
                self->lose(is_end ? "the connection was closed in the TLS handshake" : words_of(failed));
            });
    }

    // Calls `use` with the stream that bytes go through.
    template <class Use>
    void with_stream(Use&& use) {
        if (tls_) {
            use(*tls_);
        } else {
            use(socket_);
        }
    }

    void send() {
        stage_ = Stage::Asking;
        parser_.reset();
        with_stream([this](auto& stream) {
            asio::async_write(stream, asio::buffer(request_),
                              [self = shared_from_this()](const error_code& error, std::size_t) {
                                  if (self->is_closed()) return;
                                  if (error) return self->lose(words_of(error));
                                  self->read();
                              });
        });
    }

    void read() {
        parser_.emplace();
        parser_->header_limit(max_reply_header_bytes);
        parser_->body_limit(max_reply_body_bytes);
        with_stream([this](auto& stream) {
            http::async_read(stream, buffer_, *parser_,
                             [self = shared_from_this()](const error_code& error, std::size_t) {
                                 if (self->is_closed()) return;
                                 if (error) return self->lose(words_of(error));
                                 self->take_answer();
                             });
        });
    }

    void take_answer() {
        const int status = parser_->get().result_int();
        // RFC 9110, 15.2: any number of them may come first. 101 is the end of HTTP, though, which nobody
        // asked for.
        if (status >= 100 && status < 200 && status != 101) {
            if (++interim_ > most_interim_answers) return lose("more interim answers than are allowed");
            return read();
        }
        const bool is_reusable = parser_->keep_alive() && status != 101 && is_at_end(status);
        auto message = parser_->release();
        HttpReply reply;
        reply.status = status;
        const auto etag = message[http::field::etag];
        const auto location = message[http::field::location];
        reply.etag.assign(etag.data(), etag.size());
        reply.location.assign(location.data(), location.size());
        reply.body = std::move(message.body());
        finish({std::move(reply), true}, is_reusable);
    }

    // A 304 has no body (RFC 9110, 15.4.5), but there are services that send one. It has come along with the
    // header, or the connection is not to be trusted any more; so too where there is more than the answer.
    bool is_at_end(int status) {
        const auto length = parser_->content_length();
        if (status == 304 && length && *length > 0) {
            if (*length != buffer_.size()) return false;
            buffer_.consume(buffer_.size());
        }
        return buffer_.size() == 0;
    }

    bool is_heard() const { return (parser_ && parser_->got_some()) || buffer_.size() > 0; }

    void lose(std::string why) { finish({fail(std::move(why)), is_heard()}, false); }

    void time_out() {
        std::string where;
        switch (stage_) {
            case Stage::Resolving: where = " while looking up '" + place_.host + "'"; break;
            case Stage::Connecting: where = " while connecting"; break;
            case Stage::Handshaking: where = " in the TLS handshake"; break;
            case Stage::New:
            case Stage::Asking:
            case Stage::Idle:
            case Stage::Closed: where = is_heard() ? " in the middle of the answer" : ""; break;
        }
        // Heard or not: the time is over, and there is no other try.
        finish({fail(ErrorKind::Timeout, "timed out after " + limit_ + where), true}, false);
    }

    void finish(Outcome outcome, bool is_reusable) {
        const auto self = shared_from_this();
        const Done done = std::exchange(done_, nullptr);
        if (is_reusable) {
            stage_ = Stage::Idle;
            deadline_.cancel();
            parser_.reset();
        } else {
            close();
        }
        if (done) done(std::move(outcome));
    }

    HttpPlace place_;
    TlsContext trust_;
    Tcp::resolver resolver_;
    Tcp::socket socket_;
    std::optional<asio::ssl::stream<Tcp::socket&>> tls_;
    asio::steady_timer deadline_;
    asio::steady_timer address_deadline_;
    std::vector<Tcp::endpoint> addresses_;
    std::size_t next_address_ = 0;
    std::string certificate_fault_;
    Stage stage_ = Stage::New;

    std::uint64_t number_ = 0;  // of the request
    std::string request_;
    std::string limit_;
    Done done_;
    int interim_ = 0;
    boost::beast::flat_buffer buffer_;
    std::optional<http::response_parser<http::string_body>> parser_;
};

}  // namespace

struct HttpConnection::Inner {
    Inner(Loop& with, TlsContext trust) : loop(with), tls(std::move(trust)) {}

    void close() {
        if (session) session->close();
        session.reset();
    }

    void ask(const std::string& request, TimePoint deadline, const std::string& limit, Done done) {
        const bool is_kept = session != nullptr;
        if (!is_kept) session = std::make_shared<Session>(loop.context(), place, tls);
        session->ask(
            request, deadline, limit,
            [this, is_kept, request, deadline, limit, done = std::move(done)](Session::Outcome outcome) {
                if (!outcome.reply && is_kept && !outcome.is_heard) {
                    session.reset();
                    return ask(request, deadline, limit, done);
                }
                if (!outcome.reply) session.reset();
                // The last thing: `this` may be gone after it.
                done(std::move(outcome.reply));
            });
    }

    Loop& loop;
    TlsContext tls;
    HttpPlace place;
    std::shared_ptr<Session> session;
};

HttpConnection::HttpConnection(Loop& loop, TlsContext tls)
    : inner_(std::make_unique<Inner>(loop, std::move(tls))) {}

HttpConnection::~HttpConnection() {
    inner_->close();
}

void HttpConnection::get(const HttpPlace& place, std::string request, Duration timeout, Done done) {
    if (inner_->session && (!inner_->session->is_idle() || inner_->place != place)) inner_->close();
    inner_->place = place;
    inner_->ask(request, Loop::now().steady + timeout, describe_duration(timeout), std::move(done));
}

void HttpConnection::drop() {
    if (inner_->session && inner_->session->is_busy()) inner_->close();
}

}  // namespace pmctl
