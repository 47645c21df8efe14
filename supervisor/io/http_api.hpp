// The read-only HTTP API: which path shows what. The answers come from the Supervisor's state; connections
// and their limits are http_server's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shared/time.hpp"
#include "supervisor/io/descriptor.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/supervisor.hpp"

namespace pmctl {

struct HttpApiSettings {
    std::string listen;   // "127.0.0.1:9180", "unix:/path", "": nowhere
    std::string version;  // of the supervisor
};

class HttpApi {
  public:
    // Requests for the table wait so long at the most, whatever they ask for.
    static constexpr Duration max_wait = std::chrono::seconds(60);

    // Listens, or tries again from time to time where that fails: `tell` hears once why, and once when it
    // has come to pass. `listening`: a socket that does so at that address already; -1: none.
    HttpApi(Loop& loop, Supervisor& supervisor, Effects& effects, HttpApiSettings settings,
            std::function<void(const std::string&)> tell, Descriptor listening = {});
    ~HttpApi();
    HttpApi(const HttpApi&) = delete;
    HttpApi& operator=(const HttpApi&) = delete;

    // Something has changed: those who wait for it are answered.
    void changed();
    std::uint16_t port() const;  // 0: a Unix socket, or it does not listen
    int listening() const;       // the socket; -1: it does not
    void let_in(bool open);      // false: new connections wait until it is true again
    std::size_t held() const;    // requests that wait
    // The generation of the table that everybody who follows it has; max where nobody does.
    std::uint64_t routes_seen() const;

  private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace pmctl
