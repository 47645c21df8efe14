#include "supervisor/io/http_socket.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "supervisor/io/port_probe.hpp"

namespace pmctl {

namespace {

constexpr int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
constexpr mode_t socket_mode = 0660;
constexpr const char* unix_prefix = "unix:";

tl::unexpected<Error> failed(int fd, const std::string& address, int error) {
    if (fd >= 0) ::close(fd);
    return fail("[http] cannot listen on '" + address + "': " + std::strerror(error));
}

// Somebody answers there.
bool is_alive(const sockaddr_un& address) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return true;
    const bool refused = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
                         errno == ECONNREFUSED;
    ::close(fd);
    return !refused;
}

Result<HttpSocket> open_unix(const std::string& text) {
    const std::string path = text.substr(std::strlen(unix_prefix));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return failed(-1, text, ENAMETOOLONG);
    std::memcpy(address.sun_path, path.data(), path.size());
    struct stat there{};
    if (::lstat(path.c_str(), &there) == 0) {
        if (!S_ISSOCK(there.st_mode)) return failed(-1, text, EEXIST);
        if (is_alive(address)) return failed(-1, text, EADDRINUSE);
        ::unlink(path.c_str());
    }
    const int fd = ::socket(AF_UNIX, type, 0);
    if (fd < 0) return failed(fd, text, errno);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return failed(fd, text, errno);
    if (::chmod(path.c_str(), socket_mode) != 0 || ::listen(fd, SOMAXCONN) != 0) {
        const int error = errno;
        ::unlink(path.c_str());
        return failed(fd, text, error);
    }
    return HttpSocket{fd, 0, path};
}

std::uint16_t port_of(int fd) {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
    return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
}

}  // namespace

Result<HttpSocket> open_http_socket(const std::string& text) {
    if (text.starts_with(unix_prefix)) return open_unix(text);
    const auto colon = text.rfind(':');
    if (colon == std::string::npos)
        return fail(ErrorKind::Invalid, "[http] listen = '" + text + "': no port");
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const int error =
        ::getaddrinfo(host.empty() ? nullptr : host.c_str(), text.c_str() + colon + 1, &hints, &list);
    if (error != 0) return fail("[http] cannot listen on '" + text + "': " + ::gai_strerror(error));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
    const int fd = ::socket(list->ai_family, type, 0);
    if (fd < 0) return failed(fd, text, errno);
    const int on = 1;
    // Connections of an earlier one in TIME_WAIT are not in the way: socket(7).
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd, list->ai_addr, list->ai_addrlen) == 0 && ::listen(fd, SOMAXCONN) == 0)
        return HttpSocket{fd, port_of(fd), ""};
    if (errno != EADDRINUSE) return failed(fd, text, errno);
    ::close(fd);
    const std::string holder = port_holder(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
    return fail("[http] cannot listen on '" + text + "': it is held by " +
                (holder.empty() ? "another process" : holder));
}

HttpSocket resume_http_socket(const std::string& address, Descriptor fd) {
    const int kept = fd.release();
    if (address.starts_with(unix_prefix)) return {kept, 0, address.substr(std::strlen(unix_prefix))};
    return {kept, port_of(kept), ""};
}

}  // namespace pmctl
