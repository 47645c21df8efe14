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
#include <string_view>
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

// A duplicate, or -1. nng tells its listening descriptor to nobody, but the address that it was bound to is
// its own, whatever the file is called since.
int descriptor_listening_at(const std::string& address) {
    struct Close {
        void operator()(DIR* folder) const { ::closedir(folder); }
    };
    const std::unique_ptr<DIR, Close> folder(::opendir("/proc/self/fd"));
    if (!folder) return -1;
    while (const dirent* entry = ::readdir(folder.get())) {
        const int fd = std::atoi(entry->d_name);
        if (entry->d_name[0] != '.' && listens_at(fd, address)) return ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    return -1;
}

// What a REQ socket says first: nanomsg's RFC drafts sp-tcp-mapping-01 (the header, which nng's IPC transport
// has too) and sp-protocol-ids-01 (the number 0x30).
constexpr std::string_view greeting("\0SP\0\0\x30\0\0", 8);

}  // namespace

ControlListener::ControlListener(Loop& loop, std::string path, std::uint32_t mode, std::optional<gid_t> group)
    : loop_(loop),
      path_(std::move(path)),
      mode_(mode),
      group_(group),
      timer_(loop, [this] { time_is_up(); }),
      pipes_(std::make_unique<ControlPipes>([this, alive = std::weak_ptr<void>(alive_)] {
          loop_.from_any_thread([this, alive] {
              if (!alive.expired()) told();
          });
      })) {}

ControlListener::~ControlListener() {
    unwatch();
    end_trial();
    if (!listeners_.empty()) ::unlink(path_.c_str());
}

void ControlListener::leave_behind() {
    pipes_->mute();
    [[maybe_unused]] const ControlPipes* const theirs = pipes_.release();
}

Result<void> ControlListener::open(nng_socket socket) {
    socket_ = socket;
    pipes_->follow(socket_);
    if (auto bound = bind(); !bound) return bound;
    return watch();
}

// Where the next one is bound before it takes the path. Not longer than ".../pmctld.sock", which may have as
// many bytes as an address can have; and not what another of ours was bound to: nng removes that when it
// closes.
std::string ControlListener::next_address() {
    const std::string number = std::to_string(bound_++ % 10'000);
    const std::size_t name = path_.rfind('/') + 1;
    return path_.substr(0, name) + "new." + number;
}

Result<void> ControlListener::bind() {
    const std::string address = next_address();
    ::unlink(address.c_str());
    nng_listener listener = NNG_LISTENER_INITIALIZER;
    // Nobody but the owner between bind and chmod, whatever the folder's mode is.
    const mode_t mask = ::umask(0177);
    const int error = nng_listen(socket_, ("ipc://" + address).c_str(), &listener, 0);
    ::umask(mask);
    if (error != 0) return fail("cannot listen on '" + path_ + "': " + nng_text(error));
    const auto take_path = [&]() -> Result<void> {
        if (group_ && ::chown(address.c_str(), static_cast<uid_t>(-1), *group_) != 0)
            return tl::unexpected(system_error("cannot give the group to", path_));
        if (::chmod(address.c_str(), mode_) != 0)
            return tl::unexpected(system_error("cannot set the mode of", path_));
        struct stat status{};
        if (::lstat(path_.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode))
            return fail("cannot listen on '" + path_ + "': " + nng_text(NNG_EADDRINUSE));
        if (::rename(address.c_str(), path_.c_str()) != 0)
            return tl::unexpected(system_error("cannot listen on", path_));
        return {};
    };
    if (auto taken = take_path(); !taken) {
        nng_listener_close(listener);
        return taken;
    }
    listeners_.push_back(listener);
    address_ = address;
    unwatch();
    return {};
}

Result<void> ControlListener::watch() {
    if (watched_ >= 0) return {};
    watched_ = descriptor_listening_at(address_);
    if (watched_ < 0) return fail("cannot find the descriptor that listens on '" + path_ + "'");
    // Edges: the connections themselves are nng's to take.
    auto watched = loop_.watch(watched_, EPOLLIN | EPOLLET, [this](std::uint32_t) { connected(); });
    if (!watched) ::close(std::exchange(watched_, -1));
    return watched;
}

void ControlListener::unwatch() {
    if (watched_ < 0) return;
    loop_.unwatch(watched_);
    ::close(std::exchange(watched_, -1));
}

void ControlListener::enter(Stage stage, Duration time) {
    stage_ = stage;
    timer_.set(Loop::now().steady + time);
}

// Not told of each: nng may have taken the connection before the loop looks.
void ControlListener::connected() {
    ++edges_;
    if (stage_ == Stage::Quiet) enter(Stage::Settling, settling_time);
}

void ControlListener::told() {
    const auto [others, own_came_by] = pipes_->take_news();
    close_unused();
    if (stage_ == Stage::Trying) {
        came_more_ = came_more_ || others;
        if (own_came_by == nng_listener_id(listeners_.back()) && is_greeted()) heard();
    } else if (others && stage_ == Stage::Quiet) {
        enter(Stage::Settling, settling_time);
    }
}

void ControlListener::time_is_up() {
    switch (stage_) {
        case Stage::Quiet: break;
        case Stage::Settling:
        case Stage::Lacking: try_it(); break;
        case Stage::Trying:
            ++waited_;
            if (waited_ == 1 || (waited_ < most_waits && !is_greeted()))
                return enter(Stage::Trying, trial_time);
            end_trial();
            replace();
            break;
    }
}

void ControlListener::try_it() {
    static_cast<void>(watch());  // where it could not be watched before
    trial_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    came_more_ = false;
    edges_ = 0;
    waited_ = 0;
    const bool is_sent =
        trial_ >= 0 && ::connect(trial_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::send(trial_, greeting.data(), greeting.size(), MSG_NOSIGNAL) == std::ssize(greeting);
    if (is_sent) return enter(Stage::Trying, trial_time);
    end_trial();
    enter(Stage::Lacking, retry_time);
}

// nng greets before it makes a pipe. A connection that ends before is what makes a listener deaf.
bool ControlListener::is_greeted() const {
    char first = 0;
    return ::recv(trial_, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

void ControlListener::heard() {
    end_trial();
    if (watched_ < 0) return enter(Stage::Lacking, retry_time);
    if (came_more_ || edges_ > 1) return enter(Stage::Settling, settling_time);
    stage_ = Stage::Quiet;
    timer_.clear();
}

void ControlListener::end_trial() {
    if (trial_ >= 0) ::close(std::exchange(trial_, -1));
}

void ControlListener::replace() {
    if (!bind()) return enter(Stage::Lacking, retry_time);
    close_unused();
    if (listeners_.size() > most_kept + 1) {
        nng_listener_close(listeners_.front());
        listeners_.pop_front();
    }
    if (!watch()) return enter(Stage::Lacking, retry_time);
    stage_ = Stage::Quiet;
    timer_.clear();
}

void ControlListener::close_unused() {
    if (listeners_.size() < 2) return;
    std::set<int> used = pipes_->listeners();
    used.insert(nng_listener_id(listeners_.back()));
    for (auto each = listeners_.begin(); each != listeners_.end();) {
        if (used.contains(nng_listener_id(*each))) {
            ++each;
        } else {
            nng_listener_close(*each);
            each = listeners_.erase(each);
        }
    }
}

}  // namespace pmctl
