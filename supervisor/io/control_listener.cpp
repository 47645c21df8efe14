#include "supervisor/io/control_listener.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <utility>

#include "shared/nng_handles.hpp"

namespace pmctl {

namespace {

Error system_error(const std::string& what, const std::string& path) {
    return {ErrorKind::Failed, what + " '" + path + "': " + std::strerror(errno)};
}

bool listens_at(int fd, const std::string& path) {
    int listening = 0;
    socklen_t size = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) return false;
    sockaddr_un address{};
    size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
    return address.sun_family == AF_UNIX && path == address.sun_path;
}

// nng tells its listening descriptor to nobody; an old listener has the same address.
std::set<int> listening_descriptors(const std::string& path) {
    struct Close {
        void operator()(DIR* folder) const { ::closedir(folder); }
    };
    std::set<int> found;
    const std::unique_ptr<DIR, Close> folder(::opendir("/proc/self/fd"));
    if (!folder) return found;
    while (const dirent* entry = ::readdir(folder.get())) {
        const int fd = std::atoi(entry->d_name);
        if (entry->d_name[0] != '.' && listens_at(fd, path)) found.insert(fd);
    }
    return found;
}

}  // namespace

ControlListener::ControlListener(Loop& loop, std::string path, std::uint32_t mode, std::optional<gid_t> group)
    : loop_(loop), path_(std::move(path)), mode_(mode), group_(group), timer_(loop, [this] { look(); }) {}

ControlListener::~ControlListener() {
    unwatch();
}

Result<void> ControlListener::open(nng_socket socket) {
    socket_ = socket;
    nng_pipe_notify(
        socket_, NNG_PIPE_EV_ADD_POST,
        [](nng_pipe, nng_pipe_ev, void* pipes) { ++*static_cast<std::atomic<std::uint64_t>*>(pipes); },
        &pipes_);
    return bind();
}

Result<void> ControlListener::bind() {
    struct stat status{};
    if (::lstat(path_.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(path_.c_str());
    unwatch();
    const std::set<int> before = listening_descriptors(path_);
    nng_listener listener = NNG_LISTENER_INITIALIZER;
    // Nobody but the owner between bind and chmod, whatever the folder's mode is.
    const mode_t mask = ::umask(0177);
    const int error = nng_listen(socket_, ("ipc://" + path_).c_str(), &listener, 0);
    ::umask(mask);
    if (error != 0) return fail("cannot listen on '" + path_ + "': " + nng_text(error));
    listeners_.push_back(listener);
    if (group_ && ::chown(path_.c_str(), static_cast<uid_t>(-1), *group_) != 0)
        return tl::unexpected(system_error("cannot give the group to", path_));
    if (::chmod(path_.c_str(), mode_) != 0)
        return tl::unexpected(system_error("cannot set the mode of", path_));
    return watch(before);
}

Result<void> ControlListener::watch(const std::set<int>& others) {
    for (const int fd : listening_descriptors(path_)) {
        if (!others.contains(fd)) watched_ = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    if (watched_ < 0) return fail("cannot find the descriptor that listens on '" + path_ + "'");
    connections_ = expected_ = 0;
    pipes_ = 0;
    // Edges: the connections themselves are nng's to take.
    return loop_.watch(watched_, EPOLLIN | EPOLLET, [this](std::uint32_t) {
        ++connections_;
        if (expected_ == 0) expect();
    });
}

void ControlListener::expect() {
    expected_ = connections_;
    timer_.set(Loop::now().steady + greeting_time);
}

void ControlListener::unwatch() {
    if (watched_ < 0) return;
    loop_.unwatch(watched_);
    ::close(std::exchange(watched_, -1));
}

void ControlListener::look() {
    if (pipes_ >= expected_) {
        // Edges of connections that came together are one: what is over is not to hide what stays out later.
        connections_ -= expected_;
        std::uint64_t pipes = pipes_.fetch_sub(expected_) - expected_;
        while (pipes > connections_ && !pipes_.compare_exchange_weak(pipes, connections_)) {
        }
        expected_ = 0;
        if (connections_ > 0) expect();
        return;
    }
    // No descriptors left, for example: that may pass.
    if (!bind()) return timer_.set(Loop::now().steady + retry_time);
    if (listeners_.size() <= most_kept) return;
    // nng removes the path of a listener that it closes: the path is the new one's by now.
    const std::string aside = path_ + ".new";
    if (::rename(path_.c_str(), aside.c_str()) != 0) return;
    nng_listener_close(listeners_.front());
    listeners_.pop_front();
    ::rename(aside.c_str(), path_.c_str());
}

}  // namespace pmctl
