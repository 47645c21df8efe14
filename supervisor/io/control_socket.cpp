#include "supervisor/io/control_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pmctl {

namespace {

tl::unexpected<Error> failed(const std::string& path, int error) {
    return fail("cannot listen on '" + path + "': " + std::strerror(error));
}

// Where it is bound before it takes the path: not longer than ".../pmctld.sock", which may have as many bytes
// as an address can have.
std::string beside(const std::string& path) {
    return path.substr(0, path.rfind('/') + 1) + "new";
}

// 0, or why not.
int bind_to(int fd, const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ::unlink(path.c_str());
    // Nobody but the owner between bind and chmod, whatever the folder's mode is.
    const mode_t mask = ::umask(0177);
    const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int error = bound == 0 ? 0 : errno;
    ::umask(mask);
    return error;
}

bool is_other_file(const std::string& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode);
}

// errno where it cannot be.
bool give_away(const std::string& path, std::uint32_t mode, std::optional<gid_t> group) {
    return ::chown(path.c_str(), static_cast<uid_t>(-1), group.value_or(::getegid())) == 0 &&
           ::chmod(path.c_str(), mode) == 0;
}

}  // namespace

Result<ControlSocket> ControlSocket::open(const std::string& path, std::uint32_t mode,
                                          std::optional<gid_t> group) {
    if (is_other_file(path)) return failed(path, EADDRINUSE);
    Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return failed(path, errno);
    const std::string first = beside(path);
    if (const int error = bind_to(fd.get(), first); error != 0) return failed(path, error);
    const bool is_good = give_away(first, mode, group) && ::listen(fd.get(), SOMAXCONN) == 0 &&
                         ::rename(first.c_str(), path.c_str()) == 0;
    if (!is_good) {
        const int error = errno;
        ::unlink(first.c_str());
        return failed(path, error);
    }
    return ControlSocket(std::move(fd), path);
}

Result<ControlSocket> ControlSocket::resume(Descriptor fd, const std::string& path, std::uint32_t mode,
                                            std::optional<gid_t> group) {
    if (is_other_file(path) || !give_away(path, mode, group)) return open(path, mode, group);
    return ControlSocket(std::move(fd), path);
}

ControlSocket::~ControlSocket() {
    if (fd_) ::unlink(path_.c_str());
}

}  // namespace pmctl
