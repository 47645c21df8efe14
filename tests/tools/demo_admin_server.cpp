#include "tests/tools/demo_admin_server.hpp"

#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <memory>
#include <utility>

#include "tests/tools/demo_admin_session.hpp"
#include "tests/tools/demo_admin_watch.hpp"

namespace pmctl {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

namespace {

constexpr auto farewell_longest = std::chrono::seconds(3);           // for answers that nobody reads
constexpr auto accept_again_after = std::chrono::milliseconds(100);  // no descriptor left, or the like

class DemoServer {
  public:
    DemoServer(const ServeOptions& options, DemoStore store, DemoWatch watch)
        : options_(options),
          service_(options.rules, std::move(store)),
          desk_(context_, service_, options.hold),
          sessions_(desk_),
          watch_(std::move(watch)),
          changes_(context_, ::dup(watch_.fd())),
          signals_(context_, SIGTERM, SIGINT),
          acceptor_(context_),
          timer_(context_) {}

    Result<void> listen() {
        if (!options_.tls_cert.empty()) {
            if (auto loaded = load_tls(); !loaded) return loaded;
        }
        error_code error;
        const auto address = asio::ip::make_address(options_.address, error);
        if (error) return fail(ErrorKind::Invalid, "--address: '" + options_.address + "' is no IP address");
        const Tcp::endpoint wanted(address, options_.port);
        acceptor_.open(wanted.protocol(), error);
        if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
        if (!error) acceptor_.bind(wanted, error);
        if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
        if (error)
            return fail("bind '" + options_.address + ":" + std::to_string(options_.port) +
                        "': " + error.message());
        return {};
    }

    void run() {
        look_at_store();
        wait_for_change();
        wait_for_signal();
        accept();
        const bool is_v6 = options_.address.find(':') != std::string::npos;
        say("listening on " + std::string(tls_ ? "https" : "http") + "://" +
            (is_v6 ? '[' + options_.address + ']' : options_.address) + ':' +
            std::to_string(acceptor_.local_endpoint().port()));
        say("the store is '" + options_.db + "', its newest event " +
            std::to_string(service_.newest_event()));
        context_.run();
        say("goodbye");
    }

  private:
    Result<void> load_tls() {
        tls_ = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
        error_code error;
        tls_->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
        if (!error) tls_->use_certificate_chain_file(options_.tls_cert, error);
        if (error) return fail("--tls-cert '" + options_.tls_cert + "': " + error.message());
        tls_->use_private_key_file(options_.tls_key, asio::ssl::context::pem, error);
        if (error) return fail("--tls-key '" + options_.tls_key + "': " + error.message());
        return {};
    }

    void accept() {
        acceptor_.async_accept([this](const error_code& error, Tcp::socket socket) {
            if (stopping_) return;
            if (error) {
                timer_.expires_after(accept_again_after);
                timer_.async_wait([this](const error_code& cancelled) {
                    if (!cancelled && !stopping_) accept();
                });
                return;
            }
            error_code ignored;
            socket.set_option(Tcp::no_delay(true), ignored);
            sessions_.begin(std::move(socket), tls_.get());
            accept();
        });
    }

    void wait_for_change() {
        changes_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const error_code& error) {
            if (error) return;
            if (watch_.take()) {
                look_at_store();
                desk_.store_changed();
            }
            wait_for_change();
        });
    }

    void look_at_store() {
        const std::string before = service_.faults();
        if (const auto read = service_.refresh(); !read) return say("the store: " + read.error().message);
        if (service_.faults() != before)
            say("faults from now on: " + (service_.faults().empty() ? "none" : service_.faults()));
    }

    void wait_for_signal() {
        signals_.async_wait([this](const error_code& error, int number) {
            if (!error) stop(number == SIGTERM ? "SIGTERM" : "SIGINT");
        });
    }

    void stop(const std::string& signal) {
        say(signal + ": stopping");
        stopping_ = true;
        error_code ignored;
        acceptor_.close(ignored);
        changes_.cancel(ignored);
        sessions_.on_empty([this] { timer_.cancel(); });
        sessions_.stop();
        desk_.stop();
        if (sessions_.is_empty()) {
            timer_.cancel();
            return;
        }
        timer_.expires_after(farewell_longest);
        timer_.async_wait([this](const error_code& error) {
            if (!error) context_.stop();
        });
    }

    ServeOptions options_;
    asio::io_context context_{1};
    DemoService service_;
    DemoDesk desk_;
    DemoSessions sessions_;
    DemoWatch watch_;
    asio::posix::stream_descriptor changes_;
    asio::signal_set signals_;
    Tcp::acceptor acceptor_;
    asio::steady_timer timer_;  // to accept again; then for the farewell
    std::unique_ptr<asio::ssl::context> tls_;
    bool stopping_ = false;
};

}  // namespace

Result<void> serve(const ServeOptions& options) {
    auto store = DemoStore::open(options.db, DemoStore::Use::Create);
    if (!store) return tl::unexpected(store.error());
    // Before anything is read: what changes from here on is reported.
    auto watch = DemoWatch::open(options.db);
    if (!watch) return tl::unexpected(watch.error());
    if (options.faults) {
        if (const auto set = store->set_faults(*options.faults); !set) return set;
    }
    DemoServer server(options, std::move(*store), std::move(*watch));
    if (auto listening = server.listen(); !listening) return listening;
    server.run();
    return {};
}

}  // namespace pmctl
