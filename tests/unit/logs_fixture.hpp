// For tests of Logs: one with a folder and a loop of its own, and processes that end with the test.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/io/logs.hpp"
#include "tests/unit/event_wait.hpp"
#include "tests/unit/log_folder.hpp"

namespace pmctl::test {

// A process's own, as after its start.
class Ends {
  public:
    explicit Ends(Logs::ChildEnds ends) : ends_{::dup(ends.out), ::dup(ends.err)} {}
    ~Ends() {
        ::close(ends_.out);
        ::close(ends_.err);
    }
    Ends(const Ends&) = delete;
    Ends& operator=(const Ends&) = delete;

    void out(std::string_view text) const { say(ends_.out, text); }
    void err(std::string_view text) const { say(ends_.err, text); }
    int out_fd() const { return ends_.out; }
    int err_fd() const { return ends_.err; }

  private:
    static void say(int fd, std::string_view text) {
        REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    Logs::ChildEnds ends_;
};

struct LogsTest {
    LogFolder folder;
    TestLoop loop;
    std::vector<std::string> troubles;
    int written = 0;
    std::unique_ptr<Logs> logs = make();

    std::unique_ptr<Logs> make() {
        auto made = Logs::make(loop.loop, folder.path + "/fifo", folder.path + "/logs",
                               {[this](const std::string& name, const std::string& text) {
                                    troubles.push_back(name + ": " + text);
                                },
                                [this] { ++written; }});
        REQUIRE(made.has_value());
        return std::move(*made);
    }
    Logs::ChildEnds open(const std::string& name, const LogSettings& settings = {}) const {
        const auto ends = logs->open_for(name, settings);
        REQUIRE(ends.has_value());
        return *ends;
    }
    std::string log(const std::string& name) const { return whole_log(logs->folder_of(name)); }
    std::string fifo(const std::string& name) const { return folder.path + "/fifo/" + name; }
};

// A process of this one's making, ended with it.
class Fork {
  public:
    explicit Fork(const std::function<void()>& body) : pid_(::fork()) {
        if (pid_ < 0) throw std::runtime_error("fork");
        if (pid_ > 0) return;
        body();
        ::_exit(0);
    }
    ~Fork() { end(SIGKILL); }
    Fork(const Fork&) = delete;
    Fork& operator=(const Fork&) = delete;

    void end(int signal_number) {
        if (pid_ <= 0) return;
        ::kill(pid_, signal_number);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

    pid_t pid() const { return pid_; }
    void forget() { pid_ = -1; }  // it was waited for

  private:
    pid_t pid_;
};

}  // namespace pmctl::test
