// For tests with real processes: requests with few words, and what a process said before it ended.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/io/spawn.hpp"

namespace pmctl::test {

inline SpawnRequest request(std::vector<std::string> argv, RunNumber run = 1) {
    SpawnRequest wanted;
    wanted.run = run;
    wanted.log_name = "test";
    wanted.argv = std::move(argv);
    wanted.env = {"PATH=/usr/local/bin:/usr/bin:/bin"};
    wanted.working_dir = "/";
    return wanted;
}

inline Spawner spawner(std::string scope = "test") {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return std::move(Spawner::make({limit, {}}, std::move(scope)).value());
}

// Everything up to the end of file; gives up after 20 s without a byte.
inline std::string read_all(int fd) {
    std::string text;
    std::array<char, 4096> buffer{};
    for (;;) {
        pollfd ready{fd, POLLIN, 0};
        if (::poll(&ready, 1, 20'000) <= 0) return text + "[nothing more came]";
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got <= 0) return text;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

struct Outcome {
    std::string out;
    int status = -1;  // as waitpid(2) has it
    std::string failure;
    bool transient = false;
};

// Runs it to its end.
inline Outcome run(Spawner& spawner, const SpawnRequest& request, std::vector<int> listen_fds = {},
                   int cgroup_fd = -1) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
    const auto child = spawner.spawn(request, {ends[1], ends[1], std::move(listen_fds)}, cgroup_fd);
    ::close(ends[1]);
    Outcome outcome;
    if (child) {
        outcome.out = read_all(ends[0]);
        ::waitpid(child->pid, &outcome.status, 0);
        ::close(child->pidfd);
    } else {
        outcome.failure = child.error().message;
        outcome.transient = child.error().transient;
    }
    ::close(ends[0]);
    return outcome;
}

inline Outcome shell(Spawner& spawner, const std::string& script) {
    return run(spawner, request({"/bin/sh", "-c", script}));
}

// A folder that goes with the test.
class TempFolder {
  public:
    TempFolder() {
        std::string name = "/tmp/pmctl-test-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path = name;
    }
    ~TempFolder() {
        const std::string command = "chmod -R u+rwx '" + path + "' && rm -rf '" + path + "'";
        if (std::system(command.c_str()) != 0) ::perror("rm");  // NOLINT(concurrency-mt-unsafe)
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;

    std::string file(const std::string& name, const std::string& text, mode_t mode = 0755) const {
        const std::string file = path + "/" + name;
        const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode);
        if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
        ::close(fd);
        return file;
    }

    std::string path;
};

}  // namespace pmctl::test
