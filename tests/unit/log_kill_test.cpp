#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <random>

#include "tests/unit/logs_fixture.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

const LogSettings all_kept{std::uint64_t{1} << 20, 1000};

// A supervisor that logs what waits, killed at its `stops`th entry to or return from the kernel; false when
// it came to its end before.
bool kill_at(int stops, const std::string& folder) {
    Fork supervisor([&] {
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        Loop loop([](const std::string&) { ::_exit(1); });
        auto logs = Logs::make(loop, folder + "/fifo", folder + "/logs",
                               {[](const std::string&, const std::string&) {}, [] {}});
        if (!logs) ::_exit(1);
        ::raise(SIGSTOP);
        if (!(*logs)->open_for("web", all_kept)) ::_exit(1);
        (*logs)->drain("web");
        ::_exit(0);
    });
    int status = 0;
    REQUIRE(::waitpid(supervisor.pid(), &status, 0) == supervisor.pid());
    REQUIRE(WIFSTOPPED(status));
    for (int i = 0; i < stops; ++i) {
        REQUIRE(::ptrace(PTRACE_SYSCALL, supervisor.pid(), nullptr, nullptr) == 0);
        REQUIRE(::waitpid(supervisor.pid(), &status, 0) == supervisor.pid());
        if (WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) == 0);
            supervisor.forget();
            return false;
        }
    }
    supervisor.end(SIGKILL);
    return true;
}

std::string numbered_lines(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "number " + std::to_string(i) + " of many\n";
    return text;
}

}  // namespace

TEST_CASE(
    "killed at each single step, and again at another, a supervisor loses nothing and doubles no long text") {
    const std::string text = numbered_lines(2000) + "prompt> ";
    REQUIRE(text.size() > 4096);
    REQUIRE(text.size() < 65536);
    int stops = 1;
    for (bool killed = true; killed; ++stops) {
        CAPTURE(stops);
        LogsTest test;
        const Ends web(test.open("web"));
        test.logs = nullptr;
        web.out(text);
        killed = kill_at(stops, test.folder.path);
        if (killed) kill_at(stops * 7 % 50 + 1, test.folder.path);
        test.logs = test.make();
        const Ends next_run(test.open("web"));
        test.logs->drain("web");
        REQUIRE(raw_of(test.log("web")) == text);
    }
    CHECK(stops > 20);
}

TEST_CASE("killed at each single step, a supervisor may double a short text, never lose it") {
    const std::string text = "one\ntwo\n";
    bool doubled = false;
    int stops = 1;
    for (bool killed = true; killed; ++stops) {
        CAPTURE(stops);
        LogsTest test;
        const Ends web(test.open("web"));
        test.logs = nullptr;
        web.out(text);
        killed = kill_at(stops, test.folder.path);
        test.logs = test.make();
        const Ends next_run(test.open("web"));
        test.logs->drain("web");
        const std::string log = raw_of(test.log("web"));
        REQUIRE((log == text || log == text + text));
        doubled = doubled || log != text;
    }
    CHECK(doubled);
}

TEST_CASE("a supervisor killed at any moment loses no line, and doubles some at its seams alone") {
    constexpr int kills = 25;
    LogsTest test;
    const Ends web(test.open("web"));
    test.logs = nullptr;
    int stop[2];
    int progress[2];
    REQUIRE(::pipe2(stop, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(progress, O_CLOEXEC) == 0);
    Fork program([&, fd = web.out_fd()] {
        ::close(stop[1]);
        std::uint64_t number = 0;
        bool last = false;
        while (!last) {
            pollfd asked{stop[0], POLLIN, 0};
            last = ::poll(&asked, 1, 0) == 1;
            std::string text;
            const std::size_t size = number % 5 == 0 ? 100 : std::size_t{60} << 10;
            while (text.size() < size) text += "number " + std::to_string(number++) + " of many\n";
            if (last) text += "the end\n";
            std::string_view rest = text;
            while (!rest.empty())
                rest.remove_prefix(static_cast<std::size_t>(::write(fd, rest.data(), rest.size())));
        }
    });
    const LogSettings settings{std::uint64_t{1} << 20, 1000};
    std::mt19937 random(5);
    for (int i = 0; i < kills; ++i) {
        Fork supervisor([&] {
            Loop loop([](const std::string&) { ::_exit(1); });
            const auto tell = [&] { (void)!::write(progress[1], "x", 1); };
            auto logs = Logs::make(loop, test.folder.path + "/fifo", test.folder.path + "/logs",
                                   {[](const std::string&, const std::string&) {}, tell});
            if (!logs || !(*logs)->open_for("web", settings)) ::_exit(1);
            loop.run();
        });
        // After some turns, and then at any moment of the next.
        for (std::uint32_t turns = 1 + random() % 4; turns > 0; --turns) {
            pollfd moved{progress[0], POLLIN, 0};
            REQUIRE(::poll(&moved, 1, 60'000) == 1);
            char one = 0;
            REQUIRE(::read(progress[0], &one, 1) == 1);
        }
        for (std::uint32_t spin = random() % 200'000; spin > 0; --spin) asm volatile("");
        supervisor.end(SIGKILL);
    }
    ::close(stop[1]);
    test.logs = test.make();
    const Ends last_run(test.open("web", settings));
    REQUIRE(test.loop.until(
        [&] { return content_of(test.logs->folder_of("web") + "/current").ends_with(" the end\n"); }));
    ::close(stop[0]);
    ::close(progress[0]);
    ::close(progress[1]);

    // Numbers go up by one; where one goes back it is a seam, and a line that was cut there is no number.
    std::uint64_t next = 0;
    std::uint64_t previous = 0;
    int seams = 0;
    int odd = 0;
    const std::string raw = raw_of(test.log("web"));
    std::string_view rest = raw;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(line.size() + 1);
        std::uint64_t number = 0;
        const std::string_view digits = line.substr(std::min<std::size_t>(line.size(), 7));
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
        const bool good = line.starts_with("number ") && error == std::errc{} &&
                          line == "number " + std::to_string(number) + " of many";
        if (!good) {
            ++odd;
            continue;
        }
        REQUIRE(number <= next);
        if (number < next && number != previous + 1) ++seams;
        previous = number;
        if (number == next) ++next;
    }
    CHECK(seams <= kills);
    CHECK(odd <= kills + 1);  // "the end"
    CHECK(next > 1000);
}
