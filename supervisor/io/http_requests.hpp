// Reads requests off a connection's bytes, one after the other, within limits. What they ask is its owner's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/io/http_server.hpp"

namespace pmctl {

class HttpRequests {
  public:
    struct Taken {
        HttpRequest request;
        bool keep_alive = true;  // RFC 9112, section 9.3
        int refuse = 0;          // not 0: a status to answer with in place of asking; then the end
        std::string_view why;
    };

    HttpRequests();
    ~HttpRequests();
    HttpRequests(HttpRequests&&) = delete;

    // The next whole request; nothing while more bytes are needed. It is good until the next call.
    std::optional<Taken> take(std::string& bytes);

  private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
};

}  // namespace pmctl
