#include "cli/interrupts.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace pmctl {

namespace {

sigset_t interrupts() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    // Of a terminal that was closed; nohup(1) has it ignored.
    struct sigaction hang_up{};
    ::sigaction(SIGHUP, nullptr, &hang_up);
    if (hang_up.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);
    return set;
}

}  // namespace

void Interrupts::block() {
    const sigset_t set = interrupts();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Result<Interrupts> Interrupts::open() {
    const sigset_t set = interrupts();
    const int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) return fail(std::string("signalfd: ") + std::strerror(errno));
    return Interrupts(fd);
}

Interrupts::Interrupts(Interrupts&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), count_(other.count_) {}

Interrupts::~Interrupts() {
    if (fd_ >= 0) ::close(fd_);
}

bool Interrupts::take() {
    signalfd_siginfo info{};
    if (::read(fd_, &info, sizeof info) != sizeof info) return false;
    if (info.ssi_signo == SIGHUP && count_ > 0) return false;
    ++count_;
    return true;
}

}  // namespace pmctl
