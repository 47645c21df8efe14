#include "tests/tools/tiny_http.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace pmctl {

namespace {

constexpr std::size_t max_request = 16384;
constexpr std::size_t max_connections = 512;

std::string_view reason_of(int status) {
    switch (status) {
        case 200: return "OK";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 413: return "Content Too Large";
        case 431: return "Request Header Fields Too Large";
        case 503: return "Service Unavailable";
        default: return "Status";  // an int, not an enum: any number may come
    }
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

// The value of a header, in lower case; "" where it is missing.
std::string header(std::string_view head, std::string_view name) {
    while (!head.empty()) {
        const auto end = head.find("\r\n");
        const std::string_view line = head.substr(0, end);
        head = end == std::string_view::npos ? "" : head.substr(end + 2);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || lower(line.substr(0, colon)) != name) continue;
        std::string_view value = line.substr(colon + 1);
        while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
        return lower(value);
    }
    return "";
}

std::string response(const HttpAnswer& answer, bool with_body, bool last) {
    return "HTTP/1.1 " + std::to_string(answer.status) + " " + std::string(reason_of(answer.status)) +
           "\r\nContent-Type: " + answer.type + "\r\nContent-Length: " + std::to_string(answer.body.size()) +
           "\r\nConnection: " + (last ? "close" : "keep-alive") + "\r\n\r\n" + (with_body ? answer.body : "");
}

}  // namespace

TinyHttp::TinyHttp(Answerer answerer) : answerer_(std::move(answerer)) {}

TinyHttp::~TinyHttp() {
    if (listener_ >= 0) ::close(listener_);
    for (const auto& [fd, connection] : connections_) ::close(fd);
}

Result<int> TinyHttp::listen_on(const std::string& address, std::uint16_t port) {
    sockaddr_in wanted{};
    wanted.sin_family = AF_INET;
    wanted.sin_port = htons(port);
    if (::inet_pton(AF_INET, address.c_str(), &wanted.sin_addr) != 1)
        return fail(ErrorKind::Invalid, "'" + address + "' is not an IPv4 address");
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    // For the connections of an earlier life that are in TIME_WAIT; a live listener still refuses.
    if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&wanted), sizeof wanted) != 0 ||
        ::listen(fd, SOMAXCONN) != 0) {
        const int error = errno;
        if (fd >= 0) ::close(fd);
        return fail("bind '" + address + ":" + std::to_string(port) + "': " + std::strerror(error));
    }
    return fd;
}

void TinyHttp::take(int listening_fd) {
    // One that was handed over may block.
    ::fcntl(listening_fd, F_SETFL, ::fcntl(listening_fd, F_GETFL) | O_NONBLOCK);
    listener_ = listening_fd;
}

void TinyHttp::stop_listening() {
    if (listener_ >= 0) {
        accept_all();
        ::close(listener_);
    }
    listener_ = -1;
    stopping_ = true;
    for (auto at = connections_.begin(); at != connections_.end();) {
        Connection& each = at->second;
        int unread = 0;
        ::ioctl(at->first, FIONREAD, &unread);
        const bool rests = each.asked && each.in.empty() && each.out.empty() && unread == 0;
        if (!each.out.empty()) each.last = true;
        if (rests) ::close(at->first);
        at = rests ? connections_.erase(at) : std::next(at);
    }
}

void TinyHttp::add_to(std::vector<pollfd>& polled) const {
    if (listener_ >= 0 && connections_.size() < max_connections) polled.push_back({listener_, POLLIN, 0});
    for (const auto& [fd, connection] : connections_) {
        // With an answer under way, no further request is taken: one that never reads costs one answer.
        polled.push_back({fd, static_cast<short>(connection.out.empty() ? POLLIN : POLLOUT), 0});
    }
}

void TinyHttp::handle(const pollfd& polled) {
    if (polled.revents == 0) return;
    if (polled.fd == listener_) return accept_all();
    const auto found = connections_.find(polled.fd);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    const bool alive = connection.out.empty() ? read_some(polled.fd, connection) : true;
    if (!alive || !write_some(polled.fd, connection)) close_connection(polled.fd);
}

void TinyHttp::accept_all() {
    while (connections_.size() < max_connections) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        connections_[fd] = {};
    }
}

bool TinyHttp::read_some(int fd, Connection& connection) {
    std::array<char, 4096> buffer{};
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) return false;
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    connection.in.append(buffer.data(), static_cast<std::size_t>(count));
    answer_all(connection);
    return true;
}

bool TinyHttp::write_some(int fd, Connection& connection) const {
    while (!connection.out.empty()) {
        const ssize_t count = ::send(fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
        if (count < 0) return errno == EAGAIN || errno == EINTR;
        connection.out.erase(0, static_cast<std::size_t>(count));
    }
    return !connection.last;
}

void TinyHttp::answer_all(Connection& connection) {
    while (!connection.last) {
        const auto end = connection.in.find("\r\n\r\n");
        if (end == std::string::npos) {
            if (connection.in.size() <= max_request) return;
            connection.last = true;
            connection.out += response({.status = 431, .body = "request too large\n"}, true, true);
            return;
        }
        const std::string_view head = std::string_view(connection.in).substr(0, end);
        const std::string_view line = head.substr(0, head.find("\r\n"));
        const auto first = line.find(' ');
        const auto second = line.rfind(' ');
        HttpQuestion question;
        bool well_formed = first != std::string_view::npos && second > first;
        if (well_formed) {
            question.method = line.substr(0, first);
            question.path = line.substr(first + 1, second - first - 1);
        }
        const std::string_view version = well_formed ? line.substr(second + 1) : "";
        well_formed = version == "HTTP/1.1" || version == "HTTP/1.0";
        const std::string wish = header(head, "connection");
        const std::string length = header(head, "content-length");
        const bool has_body =
            !header(head, "transfer-encoding").empty() || (!length.empty() && length != "0");
        connection.in.erase(0, end + 4);
        connection.asked = true;
        const bool readable = question.method == "GET" || question.method == "HEAD";
        // A body is not read, so what follows it cannot be told apart: answered, then closed.
        connection.last = stopping_ || !well_formed || has_body || !readable || wish == "close" ||
                          (version == "HTTP/1.0" && wish != "keep-alive");
        if (!well_formed) {
            connection.out += response({.status = 400, .body = "not HTTP/1.1\n"}, true, true);
        } else if (!readable) {
            connection.out += response({.status = 405, .body = "GET and HEAD only\n"}, true, true);
        } else {
            const HttpAnswer answer = answerer_(question);
            connection.out +=
                answer.raw.empty() ? response(answer, question.method == "GET", connection.last) : answer.raw;
        }
    }
}

void TinyHttp::close_connection(int fd) {
    ::close(fd);
    connections_.erase(fd);
}

}  // namespace pmctl
