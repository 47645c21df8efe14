// A tiny server in the loop of the test, plain or TLS, whose every answer is scripted, and a client to be
// tested on it. What is sent when is the test's.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/io/admin_client.hpp"
#include "supervisor/io/timer.hpp"
#include "tests/unit/certificates.hpp"

namespace pmctl::test {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

class ScriptedService {
  public:
    class Peer : public std::enable_shared_from_this<Peer> {
      public:
        Peer(ScriptedService& service, Tcp::socket socket, int number)
            : number(number), service_(service), socket_(std::move(socket)) {}

        const int number;     // of the connection, from 1
        int requests = 0;     // on this connection
        std::string request;  // the last one
        std::string target() const { return request.substr(4, request.find(' ', 4) - 4); }

        void send(std::string text, bool then_close = false) {
            auto kept = std::make_shared<std::string>(std::move(text));
            with_stream([&](auto& stream) {
                asio::async_write(
                    stream, asio::buffer(*kept),
                    [self = shared_from_this(), kept, then_close](const error_code& error, std::size_t) {
                        if (error || then_close) self->close();
                    });
            });
        }
        // Again and again, until the other side has gone.
        void send_forever(const std::string& text) {
            auto kept = std::make_shared<std::string>(text);
            with_stream([&](auto& stream) {
                asio::async_write(stream, asio::buffer(*kept),
                                  [self = shared_from_this(), kept](const error_code& error, std::size_t) {
                                      if (error) return self->close();
                                      self->send_forever(*kept);
                                  });
            });
        }
        void close() {
            error_code ignored;
            socket_.close(ignored);
        }
        // Ended by a reset: socket(7), SO_LINGER.
        void reset() {
            error_code ignored;
            socket_.set_option(asio::socket_base::linger(true, 0), ignored);
            close();
        }
        void begin() {
            if (!service_.tls_) return read();
            tls_.emplace(socket_, *service_.tls_);
            tls_->async_handshake(asio::ssl::stream_base::server,
                                  [self = shared_from_this()](const error_code& error) {
                                      if (error) return self->close();
                                      self->read();
                                  });
        }

      private:
        template <class Use>
        void with_stream(Use&& use) {
            if (tls_) {
                use(*tls_);
            } else {
                use(socket_);
            }
        }
        void read() {
            with_stream([this](auto& stream) {
                stream.async_read_some(asio::buffer(part_), [self = shared_from_this()](
                                                                const error_code& error, std::size_t count) {
                    if (error) return self->close();
                    self->incoming_.append(self->part_.data(), count);
                    if (self->incoming_.ends_with("\r\n\r\n")) {
                        self->request = std::exchange(self->incoming_, {});
                        ++self->requests;
                        ++self->service_.requests;
                        self->service_.script_(*self);
                    }
                    self->read();
                });
            });
        }

        ScriptedService& service_;
        Tcp::socket socket_;
        std::optional<asio::ssl::stream<Tcp::socket&>> tls_;
        std::array<char, 4096> part_{};
        std::string incoming_;
    };
    using Script = std::function<void(Peer&)>;  // for each request

    // With TLS where `certificate` is given.
    ScriptedService(Loop& loop, Script script, const CertificateParts* certificate = nullptr,
                    const char* address = "127.0.0.1")
        : script_(std::move(script)), acceptor_(loop.context()) {
        if (certificate != nullptr) {
            tls_.emplace(asio::ssl::context::tls_server);
            REQUIRE(SSL_CTX_use_certificate(tls_->native_handle(), certificate->certificate.get()) == 1);
            REQUIRE(SSL_CTX_use_PrivateKey(tls_->native_handle(), certificate->key.get()) == 1);
        }
        const Tcp::endpoint wanted(asio::ip::make_address(address), 0);
        error_code error;
        acceptor_.open(wanted.protocol(), error);
        if (!error) acceptor_.bind(wanted, error);
        if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
        if (error) return;
        port = std::to_string(acceptor_.local_endpoint().port());
        accept();
    }
    ~ScriptedService() { close(); }
    ScriptedService(const ScriptedService&) = delete;
    ScriptedService& operator=(const ScriptedService&) = delete;

    std::string url(const std::string& host = "127.0.0.1") const {
        return std::string(tls_ ? "https" : "http") + "://" + host + ':' + port;
    }
    std::shared_ptr<Peer> peer(int number) const { return peers_.at(static_cast<std::size_t>(number) - 1); }
    asio::ssl::context& tls() { return *tls_; }
    // Nothing listens any more.
    void close() {
        error_code ignored;
        acceptor_.close(ignored);
        for (const auto& peer : peers_) peer->close();
    }

    std::string port;  // "": the address is not there
    int connections = 0;
    int requests = 0;

  private:
    void accept() {
        acceptor_.async_accept([this](const error_code& error, Tcp::socket socket) {
            if (error) return;
            peers_.push_back(std::make_shared<Peer>(*this, std::move(socket), ++connections));
            peers_.back()->begin();
            accept();
        });
    }

    Script script_;
    Tcp::acceptor acceptor_;
    std::optional<asio::ssl::context> tls_;
    std::vector<std::shared_ptr<Peer>> peers_;
};

inline std::string reply_text(const std::string& status, const std::string& body,
                              const std::string& more = {}) {
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
           "\r\n" + body;
}

struct AdminClientTest {
    static constexpr Duration generous = std::chrono::seconds(25);     // never met
    static constexpr Duration brief = std::chrono::milliseconds(400);  // enough to come to where it is met

    Loop loop{[](const std::string& bug) { FAIL_CHECK("a callback threw: " << bug); }};
    AdminAccess access{"s3cret-of-ours", "", "", false};
    std::vector<std::pair<std::uint64_t, AdminResult>> results;
    std::size_t wanted = 0;
    std::function<void(std::uint64_t)> also = [](std::uint64_t) {};
    std::unique_ptr<AdminClient> client =
        std::make_unique<AdminClient>(loop, [this](std::uint64_t number, AdminResult result) {
            CHECK(result.error.find(access.secret) == std::string::npos);
            results.emplace_back(number, std::move(result));
            if (results.size() >= wanted) loop.stop();
            also(number);
        });
    Timer cap{loop, [this] {
                  FAIL_CHECK("what was awaited did not come");
                  loop.stop();
              }};

    void run() {
        cap.set(Loop::now().steady + std::chrono::seconds(30));
        loop.context().restart();
        loop.run();
        cap.clear();
    }
    void run_until_results(std::size_t count) {
        wanted = count;
        if (results.size() < count) run();
        REQUIRE(results.size() == count);
    }
    // The script's part: ends run().
    void arrived() { loop.stop(); }
    // Everything that is ready by now, and what follows from it, is handled.
    void settle() {
        for (int turn = 0; turn < 50; ++turn) {
            loop.context().restart();
            loop.context().poll();
        }
    }
    void set() {
        const auto done = client->set(access);
        REQUIRE_MESSAGE(done.has_value(), done.error().message);
    }
    std::uint64_t begin_fetch(const std::string& url, Duration timeout = generous,
                              const std::string& etag = {}) {
        client->call({AdminCall::Kind::Fetch, ++last_number, url, 0, etag, timeout});
        return last_number;
    }
    std::uint64_t begin_poll(const std::string& url, std::uint64_t event = 1, Duration timeout = generous) {
        client->call({AdminCall::Kind::Poll, ++last_number, url, event, {}, timeout});
        return last_number;
    }
    AdminResult await(std::uint64_t number) {
        run_until_results(results.size() + 1);
        CHECK(results.back().first == number);
        CHECK(results.back().second.latency >= Duration::zero());
        return results.back().second;
    }
    AdminResult fetch(const std::string& url, Duration timeout = generous, const std::string& etag = {}) {
        return await(begin_fetch(url, timeout, etag));
    }
    AdminResult poll(const std::string& url, std::uint64_t event = 1) {
        return await(begin_poll(url, event));
    }
    // The error of a fetch from a service that answers `reply` to everything, and then nothing, or closes.
    std::string error_of(const std::string& reply, bool closes = false, Duration timeout = generous) {
        set();
        ScriptedService service(loop, [&](ScriptedService::Peer& peer) { peer.send(reply, closes); });
        const AdminResult result = fetch(service.url(), timeout);
        CHECK(result.kind == AdminResult::Kind::Failed);
        return result.error;
    }

    std::uint64_t last_number = 0;
};

}  // namespace pmctl::test
