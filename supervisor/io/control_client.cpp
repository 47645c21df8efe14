#include "supervisor/io/control_client.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "supervisor/io/nng_wire.hpp"

namespace pmctl {

namespace {

constexpr std::size_t read_bytes = std::size_t{64} << 10;

// A buffer that was long once is not kept so for each connection.
void empty(std::string& buffer) {
    if (buffer.capacity() > read_bytes) {
        std::string().swap(buffer);
    } else {
        buffer.clear();
    }
}

template <std::size_t N>
bool send_or_keep(ControlClient& client, const std::array<std::string_view, N>& parts) {
    std::size_t done = 0;
    if (client.backlog() == 0) {
        std::array<iovec, N> places{};
        // sendmsg(2) does not write to what it sends.
        for (std::size_t i = 0; i < N; ++i)
            places.at(i) = {const_cast<char*>(parts.at(i).data()), parts.at(i).size()};
        msghdr message{};
        message.msg_iov = places.data();
        message.msg_iovlen = N;
        const ssize_t count = ::sendmsg(client.fd.get(), &message, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
        if (count > 0) done = static_cast<std::size_t>(count);
    }
    for (const std::string_view part : parts) {
        client.out += part.substr(std::min(done, part.size()));
        done -= std::min(done, part.size());
    }
    return true;
}

}  // namespace

Peer peer_of(int fd) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return {static_cast<uid_t>(-1), static_cast<gid_t>(-1), 0};
    return {credentials.uid, credentials.gid, credentials.pid};
}

bool receive(ControlClient& client) {
    std::array<char, read_bytes> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): recv fills it
    const ssize_t count = ::recv(client.fd.get(), bytes.data(), bytes.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    client.in.append(bytes.data(), static_cast<std::size_t>(count));
    return count > 0;
}

void forget_taken(ControlClient& client) {
    client.in.erase(0, std::exchange(client.taken, 0));
    if (client.in.empty()) empty(client.in);
}

bool send_greeting(ControlClient& client) {
    return send_or_keep(client, std::array{replier_greeting});
}

bool send_reply(ControlClient& client, std::string_view route, std::string_view body) {
    const auto head = message_head(route.size() + body.size());
    return send_or_keep(client, std::array{std::string_view(head.data(), head.size()), route, body});
}

bool send_backlog(ControlClient& client) {
    while (client.backlog() > 0) {
        const ssize_t count =
            ::send(client.fd.get(), client.out.data() + client.sent, client.backlog(), MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno == EAGAIN;
        client.sent += static_cast<std::size_t>(count);
    }
    empty(client.out);
    client.sent = 0;
    return true;
}

void hang_up(const ControlClient& client) {
    ::shutdown(client.fd.get(), SHUT_RDWR);
}

}  // namespace pmctl
