// An HTTP/1 answer as a health check reads it: is it 2xx and complete, and if not, why, in words. Bytes come
// from the caller, which also keeps the time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pmctl {

constexpr std::size_t max_answer_header_bytes = std::size_t{16} << 10;  // interim answers (1xx) included
constexpr std::size_t max_answer_body_bytes = std::size_t{1} << 20;     // as transferred

struct HttpVerdict {
    std::string error;      // "" is healthy
    int status = 0;         // 0: it did not come to a status
    bool reusable = false;  // both sides may go on with the connection, by what the answer says
};

// The verdict on an answer that is whole in these bytes, without keeping anything: the common case. None
// where more bytes are needed, or the connection's end; then an HttpAnswer is given the same bytes.
std::optional<HttpVerdict> judge_whole_answer(std::string_view bytes);

class HttpAnswer {
  public:
    HttpAnswer();
    ~HttpAnswer();
    HttpAnswer(const HttpAnswer&) = delete;
    HttpAnswer& operator=(const HttpAnswer&) = delete;

    // The next bytes in order. A verdict ends the answer: nothing may be called after it.
    std::optional<HttpVerdict> put(std::string_view bytes);
    // The connection ended; with `reset` not in the orderly way.
    HttpVerdict end(bool reset);
    // The time is over; `limit` as it is named in the text: "2s".
    HttpVerdict time_out(const std::string& limit) const;

  private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace pmctl
