// One kept-alive HTTP/1.1 connection of a client, plain or TLS, with one request at a time: opened when it is
// needed, and anew where the other side has closed it meanwhile. What the requests and answers mean is its
// owner's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shared/result.hpp"
#include "shared/time.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/tls_trust.hpp"

namespace pmctl {

constexpr std::uint32_t max_reply_header_bytes = std::uint32_t{16} << 10;
constexpr std::uint64_t max_reply_body_bytes = std::uint64_t{16} << 20;

struct HttpPlace {
    bool is_tls = false;
    std::string host;  // a name, or an address without brackets
    std::uint16_t port = 0;

    bool operator==(const HttpPlace&) const = default;
};

// Of any status; interim ones (1xx) are read over.
struct HttpReply {
    int status = 0;
    std::string etag;
    std::string location;
    std::string body;  // "" for 204 and 304, whatever came
};

class HttpConnection {
  public:
    using Done = std::function<void(Result<HttpReply>)>;

    HttpConnection(Loop& loop, TlsContext tls);
    ~HttpConnection();
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;

    // `request`: the whole of a GET. A request under way is dropped, and its connection with it. `done` is
    // called on the loop, once and never within this call; it may ask again, drop, or destroy this. A request
    // on a kept connection that fails before a byte of the answer came is sent once more on a new one (RFC
    // 9112, 9.3.1). Addresses of a name are tried in turn. Error: Timeout or Failed, in words for people,
    // without anything of the request.
    void get(const HttpPlace& place, std::string request, Duration timeout, Done done);
    // `done` is not called any more; a connection with nothing under way is kept.
    void drop();

  private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace pmctl
