#include "supervisor/io/signals.hpp"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace pmctl {

namespace {

sigset_t own_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int each : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, each);
    return set;
}

}  // namespace

void block_signals() {
    const sigset_t set = own_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of the write then, like a full disk
}

Result<Signals> Signals::open(Loop& loop, std::function<void(int)> arrived) {
    const sigset_t set = own_signals();
    const int fd = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) return fail(std::string("signalfd: ") + std::strerror(errno));
    Signals signals(loop, fd);
    const auto watched = loop.watch(fd, EPOLLIN, [fd, arrived = std::move(arrived)](std::uint32_t) {
        signalfd_siginfo info{};
        while (::read(fd, &info, sizeof info) == sizeof info) arrived(static_cast<int>(info.ssi_signo));
    });
    if (!watched) return tl::unexpected(watched.error());
    return signals;
}

Signals::Signals(Signals&& other) noexcept : loop_(other.loop_), fd_(std::exchange(other.fd_, -1)) {}

Signals::~Signals() {
    if (fd_ < 0) return;
    loop_.unwatch(fd_);
    ::close(fd_);
}

}  // namespace pmctl
