#include "tests/bench/floor.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <unordered_map>

namespace pmctl::bench {

namespace {

struct Started {
    pid_t pid = -1;
    int pidfd = -1;
};

TimePoint now() {
    return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

[[noreturn]] void give_up(const char* what) {
    throw std::system_error(errno, std::system_category(), what);
}

// Shares the caller's stack and memory until the exec, like vfork(2): the child runs on below this frame, so
// nothing but system calls may follow in it.
[[gnu::noinline]] Started start_clone3(char* const* argv) {
    Started started;
    clone_args args{};
    args.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uintptr_t>(&started.pidfd);
    args.exit_signal = SIGCHLD;
    long result = 0;
#if defined(__x86_64__)
    // Inline: a return address on the shared stack would be overwritten by the child's own calls.
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(SYS_clone3), "D"(&args), "S"(sizeof args)
                 : "rcx", "r11", "memory");
#else
    result = ::syscall(SYS_clone3, &args, sizeof args);
#endif
    if (result == 0) {
        ::execve(argv[0], argv, environ);
        ::_exit(127);
    }
    started.pid = static_cast<pid_t>(result);
    return started;
}

Started start(Start way, char* const* argv) {
    switch (way) {
        case Start::Vfork: {
            const pid_t pid = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork): it is measured
            if (pid == 0) {
                ::execve(argv[0], argv, environ);
                ::_exit(127);
            }
            return {pid, -1};
        }
        case Start::Clone3: return start_clone3(argv);
        case Start::PosixSpawn: {
            pid_t pid = -1;
            if (::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, environ) != 0) return {};
            return {pid, -1};
        }
        case Start::Fork: {
            const pid_t pid = ::fork();
            if (pid == 0) {
                ::execve(argv[0], argv, environ);
                ::_exit(127);
            }
            return {pid, -1};
        }
    }
    return {};
}

// argv for a child that stamps, or only waits.
struct Arguments {
    explicit Arguments(std::string program) : program_(std::move(program)) {
        argv = {program_.data(), nullptr, nullptr, nullptr};
    }
    Arguments(std::string program, const Stamps& stamps)
        : program_(std::move(program)), path_(stamps.path()) {
        argv = {program_.data(), path_.data(), slot_.data(), nullptr};
    }
    // `argv` points into the object.
    Arguments(const Arguments&) = delete;
    Arguments& operator=(const Arguments&) = delete;
    void slot(std::size_t number) {
        slot_ = std::to_string(number);
        argv[2] = slot_.data();
    }
    std::array<char*, 4> argv{};

  private:
    std::string program_;
    std::string path_;
    std::string slot_ = "0";
};

void end(const Started& started) {
    ::kill(started.pid, SIGKILL);
    ::waitpid(started.pid, nullptr, 0);
    if (started.pidfd >= 0) ::close(started.pidfd);
}

double rate(std::size_t count, Duration taken) {
    return static_cast<double>(count) / std::chrono::duration<double>(taken).count();
}

}  // namespace

Stamps::Stamps(std::size_t slots) : bytes_(slots * sizeof(std::uint64_t)) {
    path_ = "/dev/shm/pmctl-stamps-XXXXXX";
    const int fd = ::mkostemp(path_.data(), O_CLOEXEC);
    if (fd < 0) give_up("mkostemp");
    if (::ftruncate(fd, static_cast<off_t>(bytes_)) != 0) give_up("ftruncate");
    void* const memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (memory == MAP_FAILED) give_up("mmap");
    slots_ = static_cast<volatile std::uint64_t*>(memory);
}

Stamps::~Stamps() {
    ::munmap(const_cast<std::uint64_t*>(slots_), bytes_);
    ::unlink(path_.c_str());
}

bool Stamps::written(std::size_t slot) const {
    return slots_[slot] != 0;
}

void Stamps::clear(std::size_t slot) {
    slots_[slot] = 0;
}

TimePoint Stamps::wait(std::size_t slot) const {
    // The processors belong to what is measured; the moment itself is the child's.
    while (!written(slot)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return TimePoint(std::chrono::nanoseconds(slots_[slot]));
}

TimePoint last_of(const Stamps& stamps, std::size_t count) {
    TimePoint last{};
    for (std::size_t i = 0; i < count; ++i) last = std::max(last, stamps.wait(i));
    return last;
}

const char* name_of(Start way) {
    switch (way) {
        case Start::Vfork: return "vfork";
        case Start::Clone3: return "clone3";
        case Start::PosixSpawn: return "posix_spawn";
        case Start::Fork: return "fork";
    }
    return "";
}

double starts_per_second(Start way, const std::string& program, std::size_t count, const Stamps* stamps) {
    Arguments arguments = stamps == nullptr ? Arguments(program) : Arguments(program, *stamps);
    std::vector<Started> all;
    all.reserve(count);
    const TimePoint begin = now();
    for (std::size_t i = 0; i < count; ++i) {
        if (stamps != nullptr) arguments.slot(i);
        all.push_back(start(way, arguments.argv.data()));
    }
    const Duration taken = (stamps == nullptr ? now() : last_of(*stamps, count)) - begin;
    for (const Started& each : all) end(each);
    return rate(count, taken);
}

std::vector<Duration> kill_to_replacement(const std::string& program, std::size_t rounds) {
    const Stamps stamps(rounds + 1);
    Arguments arguments(program, stamps);
    std::vector<Duration> times;
    Started current = start(Start::Clone3, arguments.argv.data());
    stamps.wait(0);
    for (std::size_t i = 1; i <= rounds; ++i) {
        arguments.slot(i);
        const TimePoint killed = now();
        ::kill(current.pid, SIGKILL);
        pollfd ended{current.pidfd, POLLIN, 0};
        ::poll(&ended, 1, -1);
        ::waitpid(current.pid, nullptr, 0);
        ::close(current.pidfd);
        current = start(Start::Clone3, arguments.argv.data());
        times.push_back(stamps.wait(i) - killed);
    }
    end(current);
    return times;
}

double replacements_per_second(const std::string& program, std::size_t count, Stamps* stamps) {
    Arguments arguments = stamps == nullptr ? Arguments(program) : Arguments(program, *stamps);
    std::size_t next_slot = 0;
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) give_up("epoll_create1");
    std::unordered_map<int, pid_t> living;
    const auto begin_one = [&] {
        if (stamps != nullptr) arguments.slot(next_slot++ % count);
        const Started started = start(Start::Clone3, arguments.argv.data());
        living[started.pidfd] = started.pid;
        return started;
    };
    for (std::size_t i = 0; i < count; ++i) {
        const Started started = begin_one();
        epoll_event event{EPOLLIN, {.fd = started.pidfd}};
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, started.pidfd, &event);
    }
    if (stamps != nullptr) {
        last_of(*stamps, count);  // nobody of the first generation writes any more
        for (std::size_t i = 0; i < count; ++i) stamps->clear(i);
    }
    const TimePoint begin = now();
    for (const auto& [pidfd, pid] : living) ::kill(pid, SIGKILL);
    std::array<epoll_event, 256> events{};
    for (std::size_t replaced = 0; replaced < count;) {
        const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < ready; ++i, ++replaced) {
            const int pidfd = events.at(static_cast<std::size_t>(i)).data.fd;
            ::waitpid(living.at(pidfd), nullptr, 0);
            ::epoll_ctl(epoll, EPOLL_CTL_DEL, pidfd, nullptr);
            ::close(pidfd);
            living.erase(pidfd);
            begin_one();
        }
    }
    const Duration taken = (stamps == nullptr ? now() : last_of(*stamps, count)) - begin;
    for (const auto& [pidfd, pid] : living) end({pid, pidfd});
    ::close(epoll);
    return rate(count, taken);
}

}  // namespace pmctl::bench
