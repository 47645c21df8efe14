// An HTTP/1.1 server small enough for a demonstration: GET and HEAD, keep-alive, pipelining, any number of
// connections up to a limit. Passive: its owner polls, and says what is answered.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "shared/result.hpp"

namespace pmctl {

struct HttpQuestion {
    std::string method;
    std::string path;
};
struct HttpAnswer {
    int status = 200;
    std::string type = "text/plain; charset=utf-8";
    std::string body;
    std::string raw;  // not empty: sent as it is instead, and the connection stays open
};

class TinyHttp {
  public:
    using Answerer = std::function<HttpAnswer(const HttpQuestion&)>;

    explicit TinyHttp(Answerer answerer);
    ~TinyHttp();
    TinyHttp(const TinyHttp&) = delete;
    TinyHttp& operator=(const TinyHttp&) = delete;

    // A listening TCP socket, close-on-exec. Error: "bind '127.0.0.1:80': Permission denied".
    static Result<int> listen_on(const std::string& address, std::uint16_t port);

    void take(int listening_fd);
    // What is on its way is answered: requests that have come, and the first one of each connection, those
    // that were not accepted yet included. Connections that only wait for a further request are closed.
    void stop_listening();
    [[nodiscard]] bool is_listening() const { return listener_ >= 0; }
    [[nodiscard]] bool is_idle() const { return connections_.empty(); }

    void add_to(std::vector<pollfd>& polled) const;
    void handle(const pollfd& polled);  // one of those that were added, or any other

  private:
    struct Connection {
        std::string in;
        std::string out;
        bool last = false;   // closed once `out` is sent
        bool asked = false;  // at least once
    };
    void accept_all();
    bool read_some(int fd, Connection& connection);
    bool write_some(int fd, Connection& connection) const;
    void answer_all(Connection& connection);
    void close_connection(int fd);

    Answerer answerer_;
    int listener_ = -1;
    bool stopping_ = false;
    std::map<int, Connection> connections_;
};

}  // namespace pmctl
