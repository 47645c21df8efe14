// One connection to the demo admin service, with TLS or without: HTTP/1.1 requests one after another, each
// put to the desk. What is answered is demo_admin_service's.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <functional>
#include <map>

#include "tests/tools/demo_admin_desk.hpp"

namespace pmctl {

// The connections there are. Each ends by itself, or when it is told to.
class DemoSessions {
  public:
    using Number = std::uint64_t;
    explicit DemoSessions(DemoDesk& desk) : desk_(desk) {}

    // `tls` null: plain. Outlives its sessions, as this object does.
    void begin(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls);
    // Answers on their way are finished and are the last of their connection; all others end now.
    void stop();
    [[nodiscard]] bool is_empty() const { return stoppers_.empty(); }
    [[nodiscard]] bool is_stopping() const { return stopping_; }

    // For a session.
    [[nodiscard]] DemoDesk& desk() { return desk_; }
    Number enter(std::function<void()> stopper);
    void leave(Number number);
    void on_empty(std::function<void()> callback) { on_empty_ = std::move(callback); }

  private:
    DemoDesk& desk_;
    std::map<Number, std::function<void()>> stoppers_;
    std::function<void()> on_empty_;
    Number last_ = 0;
    bool stopping_ = false;
};

}  // namespace pmctl
