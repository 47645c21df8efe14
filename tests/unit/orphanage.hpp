// For tests of adoption: a process that starts others for the test, so that they are not the test's children,
// as those of a supervisor that was killed are not the next one's.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

#include "supervisor/io/proc_files.hpp"
#include "supervisor/io/spawn.hpp"
#include "tests/unit/spawned.hpp"

namespace pmctl::test {

// PIDFD_INFO_EXIT is told since then.
inline bool kernel_tells() {
    int major = 0;
    int minor = 0;
    const std::string release = read_proc("/proc/sys/kernel/osrelease");
    REQUIRE(std::sscanf(release.c_str(), "%d.%d", &major, &minor) == 2);
    return major > 6 || (major == 6 && minor >= 15);
}

// Whether the foster parent takes note of its children's ends: at once, or when it is told to.
enum class Reaping { AtOnce, WhenTold };

class Orphanage {
  public:
    explicit Orphanage(std::string scope, Reaping reaping = Reaping::AtOnce) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
        parent_ = ::fork();
        REQUIRE(parent_ >= 0);
        if (parent_ == 0) {
            ::close(ends[0]);
            // Their orphans are not the test's, either.
            ::prctl(PR_SET_CHILD_SUBREAPER, 1);
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (reaping == Reaping::AtOnce) ::signal(SIGCHLD, SIG_IGN);
            serve(ends[1], std::move(scope));
        }
        ::close(ends[1]);
        socket_ = ends[0];
    }
    ~Orphanage() {
        ::close(socket_);
        ::waitpid(parent_, nullptr, 0);
    }
    Orphanage(const Orphanage&) = delete;
    Orphanage& operator=(const Orphanage&) = delete;

    // The pid of `sh -c script`, as run `run` of "shop:<run>", with port 30000 + run and a fingerprint.
    pid_t start(RunNumber run, const std::string& script) { return ask(std::to_string(run) + " " + script); }
    // Takes note of all that have ended so far; returns how many.
    int reap() { return ask("reap"); }

  private:
    int ask(const std::string& order) {
        REQUIRE(::send(socket_, order.data(), order.size(), 0) == static_cast<ssize_t>(order.size()));
        int answer = -1;
        REQUIRE(::recv(socket_, &answer, sizeof answer, 0) == sizeof answer);
        return answer;
    }

    [[noreturn]] static void serve(int socket, std::string scope) {
        auto spawner = test::spawner(std::move(scope));
        std::array<char, 4096> order{};
        for (;;) {
            const ssize_t size = ::recv(socket, order.data(), order.size(), 0);
            if (size <= 0) ::_exit(0);
            const std::string text(order.data(), static_cast<std::size_t>(size));
            const int answer = text == "reap" ? reap_all() : spawn(spawner, text);
            if (::send(socket, &answer, sizeof answer, MSG_NOSIGNAL) < 0) ::_exit(1);
        }
    }
    static int spawn(Spawner& spawner, const std::string& text) {
        const auto space = text.find(' ');
        auto wanted = request({"/bin/sh", "-c", text.substr(space + 1)}, std::stoull(text));
        wanted.log_name = "shop:" + text.substr(0, space);
        wanted.port = static_cast<std::uint16_t>(30000 + wanted.run);
        wanted.fingerprint = "0123456789abcdef";
        const auto child = spawner.spawn(wanted, {});
        if (child) ::close(child->pidfd);
        return child ? child->pid : -1;
    }
    static int reap_all() {
        int count = 0;
        while (::waitpid(-1, nullptr, WNOHANG) > 0) ++count;
        return count;
    }

    pid_t parent_ = -1;
    int socket_ = -1;
};

// A scope of the test's own: others may look for theirs at the same time.
inline std::string own_scope() {
    return "/test/" + std::to_string(::getpid());
}

// A FIFO, for lines from processes that the test did not start: `path` is for their scripts to write to.
class Told {
  public:
    Told() : path(folder_.path + "/told") {
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        REQUIRE(fd_ >= 0);
    }
    ~Told() { ::close(fd_); }
    Told(const Told&) = delete;
    Told& operator=(const Told&) = delete;

    // The next line; waits for it.
    std::string line() {
        std::string text;
        for (char byte = 0;;) {
            pollfd ready{fd_, POLLIN, 0};
            REQUIRE(::poll(&ready, 1, 20'000) > 0);
            REQUIRE(::read(fd_, &byte, 1) == 1);
            if (byte == '\n') return text;
            text += byte;
        }
    }
    pid_t pid() { return std::stoi(line()); }
    // One line for a script that reads it.
    void say(const std::string& text) const {
        const std::string whole = text + "\n";
        REQUIRE(::write(fd_, whole.data(), whole.size()) == static_cast<ssize_t>(whole.size()));
    }

  private:
    TempFolder folder_;
    int fd_ = -1;

  public:
    std::string path;
};

// A script that ends with 3 on TERM at once. Another member of its group, whose pid it says to the file `to`,
// goes on until `gate` is told.
inline std::string leader_of_slow_member(const Told& gate, const std::string& to) {
    return "trap 'exit 3' TERM; (trap '' TERM; echo $(exec sh -c 'echo $PPID') > " + to + "; read go < " +
           gate.path + ") & while :; do wait; done";
}

}  // namespace pmctl::test
