// An HTTP/1.1 server for small read-only answers, in the loop: connections, their limits, keep-alive and
// pipelining, answers that come later and streams without an end. What is asked and answered is its owner's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shared/result.hpp"
#include "shared/time.hpp"
#include "supervisor/io/descriptor.hpp"
#include "supervisor/io/loop.hpp"

namespace pmctl {

// One request without a body. The views are good until the handler returns.
struct HttpRequest {
    bool head = false;       // HEAD: else GET, the rest is answered 405 before anybody sees it
    std::string_view path;   // "/v1/routes", as it was sent
    std::string_view query;  // behind the "?"
    std::string_view host;   // the header fields, "" where there are none
    std::string_view forwarded_host;
    std::string_view if_none_match;
    std::string_view last_event_id;
    std::string_view user_agent;
};

struct HttpResponse {
    int status = 200;
    std::string_view content_type = "application/json";
    std::string headers;  // further ones, each with its CRLF
    std::string body;
    std::shared_ptr<const std::string> shared;  // not null: in place of body, for many at once
};

class HttpServer {
  public:
    // A connection whose request is to be answered. It is the caller's until reply, or until `lost`.
    using Ticket = std::uint64_t;

    struct Hooks {
        // To be answered by reply or stream, at once or later.
        std::function<void(Ticket, const HttpRequest&)> asked;
        // The time that hold() allowed is up: to be answered now.
        std::function<void(Ticket)> time_is_up;
        // The client of a held request or a stream has gone; the ticket means nothing any longer.
        std::function<void(Ticket)> lost;
        // A stream's client has taken all that was pushed.
        std::function<void(Ticket)> drained;
    };

    static constexpr std::size_t max_connections = 4096;
    static constexpr std::size_t max_header_bytes = std::size_t{16} << 10;
    static constexpr std::size_t max_backlog_bytes = std::size_t{1} << 20;  // of a stream

    struct Limits {
        std::size_t connections = max_connections;      // at most so many at a time, of max_connections
        Duration idle_time = std::chrono::seconds(60);  // without a request, or without progress
        Duration keep_alive_comment = std::chrono::seconds(15);  // of a stream on which nothing happens
    };

    // "127.0.0.1:9180", "[::1]:0", "unix:/path", "localhost:80". A socket file that nobody listens on is
    // replaced. `listening`: a socket that does so there already; -1: none. Error: what the system says.
    static Result<HttpServer> listen(Loop& loop, const std::string& address, const Limits& limits,
                                     Hooks hooks, Descriptor listening = {});
    HttpServer(HttpServer&&) noexcept;
    HttpServer& operator=(HttpServer&&) noexcept;
    ~HttpServer();  // closes all, and removes the socket file

    std::uint16_t port() const;  // 0 for unix:
    int listening() const;       // the socket that it listens on
    void let_in(bool open);      // false: new connections wait until it is true again
    std::size_t connections() const;

    void reply(Ticket ticket, const HttpResponse& response);
    // No answer before this moment unless reply is called.
    void hold(Ticket ticket, TimePoint until);
    // Begins an answer without an end: server-sent events. False where that is all (HEAD, or gone).
    bool stream(Ticket ticket);
    // One that does not read is dropped when more than max_backlog_bytes wait for it.
    void push(Ticket ticket, std::string_view text);

  private:
    struct Inner;
    explicit HttpServer(std::unique_ptr<Inner> inner);
    std::unique_ptr<Inner> inner_;
};

// {"error":{"code","kind","message"}}
HttpResponse http_error(int status, const std::string& message);

}  // namespace pmctl
