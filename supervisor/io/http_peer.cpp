#include "supervisor/io/http_peer.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <ctime>

namespace pmctl {

namespace {

constexpr std::size_t read_bytes = std::size_t{16} << 10;

std::string_view reason_phrase(int status) {
    switch (status) {
        case 200: return "OK";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 413: return "Content Too Large";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 503: return "Service Unavailable";
        default: return "";
    }
}

// RFC 9110, section 5.6.7.
std::string date_text(std::time_t second) {
    static constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm utc{};
    ::gmtime_r(&second, &utc);
    return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                       days.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                       months.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour,
                       utc.tm_min, utc.tm_sec);
}

// Most answers of one second have the same.
const std::string& date_of(WallTime now) {
    thread_local std::time_t known = -1;
    thread_local std::string text;
    const auto second = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    if (second != known) {
        known = second;
        text = date_text(second);
    }
    return text;
}

}  // namespace

bool receive(HttpPeer& peer) {
    std::array<char, read_bytes> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): recv fills it
    const ssize_t count = ::recv(peer.fd, bytes.data(), bytes.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) {
        peer.half_gone = true;
        return true;
    }
    if (peer.state == HttpPeer::State::Ending) {
        peer.ignored += static_cast<std::size_t>(count);
        return peer.ignored <= max_ignored_bytes;
    }
    peer.in.append(bytes.data(), static_cast<std::size_t>(count));
    return true;
}

bool send_some(HttpPeer& peer) {
    while (peer.backlog() > 0) {
        std::array<iovec, 2> parts{};
        std::size_t used = 0;
        if (peer.sent < peer.out.size())
            parts.at(used++) = {peer.out.data() + peer.sent, peer.out.size() - peer.sent};
        if (peer.shared) {
            const std::size_t skip = peer.sent > peer.out.size() ? peer.sent - peer.out.size() : 0;
            // sendmsg(2) does not write to what it sends.
            parts.at(used++) = {const_cast<char*>(peer.shared->data()) + skip, peer.shared->size() - skip};
        }
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = used;
        const ssize_t count = ::sendmsg(peer.fd, &message, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno == EAGAIN;
        peer.sent += static_cast<std::size_t>(count);
    }
    peer.out.clear();
    peer.shared.reset();
    peer.sent = 0;
    return true;
}

void add_answer(HttpPeer& peer, const HttpResponse& response, WallTime now) {
    const auto into = std::back_inserter(peer.out);
    const std::size_t length = response.shared ? response.shared->size() : response.body.size();
    fmt::format_to(into, "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status, reason_phrase(response.status),
                   date_of(now));
    // RFC 9110, section 15.4.5: a 304 has no content.
    if (response.status != 304)
        fmt::format_to(into, "Content-Type: {}\r\nContent-Length: {}\r\n", response.content_type, length);
    peer.out += response.headers;
    peer.out += peer.keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
    if (peer.head || response.status == 304) return;
    peer.out += response.body;
    peer.shared = response.shared;
}

void add_stream_head(HttpPeer& peer, WallTime now) {
    fmt::format_to(std::back_inserter(peer.out),
                   "HTTP/1.1 200 OK\r\nDate: {}\r\nContent-Type: text/event-stream\r\n"
                   "Cache-Control: no-cache\r\nConnection: close\r\n\r\n",
                   date_of(now));
}

}  // namespace pmctl
