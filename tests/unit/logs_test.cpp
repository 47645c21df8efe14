#include "supervisor/io/logs.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <filesystem>
#include <random>
#include <stdexcept>

#include "tests/unit/event_wait.hpp"
#include "tests/unit/log_folder.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

class Ends {
  public:
    explicit Ends(Logs::ChildEnds ends) : ends_(ends) {}
    ~Ends() {
        ::close(ends_.out);
        ::close(ends_.err);
    }
    Ends(const Ends&) = delete;
    Ends& operator=(const Ends&) = delete;

    void out(std::string_view text) const { say(ends_.out, text); }
    void err(std::string_view text) const { say(ends_.err, text); }
    int out_fd() const { return ends_.out; }

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

  private:
    pid_t pid_;
};

}  // namespace

TEST_CASE("both streams of a program are in its log, and followers are told") {
    LogsTest test;
    const Ends web(test.open("web"));
    CHECK_FALSE(std::filesystem::exists(test.logs->folder_of("web")));
    web.out("listening\n");
    web.err("warning\n");
    REQUIRE(test.loop.until([&] { return test.logs->bytes() == 18; }));
    CHECK(raw_of(test.log("web"), LogStream::Out) == "listening\n");
    CHECK(raw_of(test.log("web"), LogStream::Err) == "warning\n");
    CHECK(test.written > 0);
    CHECK(test.logs->end_of("web") == test.log("web").size());
    CHECK_FALSE(test.logs->end_of("other").has_value());
}

TEST_CASE("the FIFOs serve all runs of a name") {
    LogsTest test;
    struct stat first{};
    struct stat second{};
    {
        const Ends run(test.open("web"));
    }
    REQUIRE(::stat(test.fifo("web.out").c_str(), &first) == 0);
    const Ends run(test.open("web"));
    REQUIRE(::stat(test.fifo("web.out").c_str(), &second) == 0);
    CHECK(first.st_ino == second.st_ino);
}

TEST_CASE("what a run left is in the log before its end is told") {
    LogsTest test;
    const Ends web(test.open("web"));
    web.out("last words\n");
    web.err("and a curse");
    test.logs->drain("web");
    CHECK(raw_of(test.log("web"), LogStream::Out) == "last words\n");
    CHECK(raw_of(test.log("web"), LogStream::Err) == "and a curse");
    test.logs->drain("nobody");
}

TEST_CASE("a closed name has no FIFOs, but its log") {
    LogsTest test;
    const Ends web(test.open("web"));
    web.out("still here\n");
    test.logs->close("web");
    CHECK_FALSE(std::filesystem::exists(test.fifo("web.out")));
    CHECK_FALSE(std::filesystem::exists(test.fifo("web.err")));
    CHECK(raw_of(test.log("web")) == "still here\n");
    const Ends again(test.open("web"));
    again.out("a new one\n");
    REQUIRE(test.loop.until([&] { return raw_of(test.log("web")) == "still here\na new one\n"; }));
}

TEST_CASE("a program that never stops writing starves nobody") {
    LogsTest test;
    const Ends noisy(test.open("noisy", {1 << 20, 1}));
    const Ends quiet(test.open("quiet"));
    Fork program([fd = noisy.out_fd()] {
        const std::string text(std::size_t{64} << 10, '\n');
        while (::write(fd, text.data(), text.size()) > 0) continue;
    });
    REQUIRE(test.loop.until([&] { return test.logs->bytes() > Logs::share; }));
    quiet.out("me too\n");
    CHECK(test.loop.until([&] { return raw_of(test.log("quiet")) == "me too\n"; }));
}

TEST_CASE("a full disk is told once, and once when it works again; meanwhile nothing is lost") {
    LogsTest test;
    const Ends full(test.open("full"));
    const Ends other(test.open("other"));
    std::string text;
    while (text.size() < 20'000) text += "a line of a program on a full disk\n";
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    rlimit limit = before;
    limit.rlim_cur = 10'000;
    auto* const old = std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    full.out(text);
    const bool told = test.loop.until([&] { return !test.troubles.empty(); });
    full.err("it also says this\n");
    other.out("I have room\n");
    const bool others_go_on = test.loop.until([&] { return raw_of(test.log("other")) == "I have room\n"; });
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, old);
    CHECK(told);
    CHECK(others_go_on);
    REQUIRE(test.loop.until([&] { return test.troubles.size() == 2; }));
    CHECK(test.troubles[0] == "full: write '" + test.logs->folder_of("full") +
                                  "/current': File too large; its output waits until that works again");
    CHECK(test.troubles[1] == "full: its log can be written again");
    REQUIRE(
        test.loop.until([&] { return raw_of(test.log("full"), LogStream::Err) == "it also says this\n"; }));
    CHECK(raw_of(test.log("full"), LogStream::Out) == text);
    full.out("more\n");
    CHECK(test.loop.until([&] { return raw_of(test.log("full"), LogStream::Out) == text + "more\n"; }));
    CHECK(test.troubles.size() == 2);
}

TEST_CASE("what an earlier supervisor wrote and could not take out is logged once") {
    LogsTest test;
    const Ends web(test.open("web"));
    std::string text;
    for (int i = 0; i < 500; ++i) text += "line " + std::to_string(i) + "\n";
    web.out(text);
    SUBCASE("all of it") {
        put(test.logs->folder_of("web") + "/current", cri(text, at_second(1)));
    }
    SUBCASE("with a torn line") {
        put(test.logs->folder_of("web") + "/current",
            cri(text, at_second(1)).substr(0, cri(text.substr(0, 1000), at_second(1)).size() - 1));
    }
    test.logs = nullptr;
    test.logs = test.make();
    const Ends next_run(test.open("web"));
    next_run.out("after\n");
    CHECK(test.loop.until([&] { return test.log("web").ends_with(" after\n"); }));
    CHECK(raw_of(test.log("web")) == text + "after\n");
}

TEST_CASE("followers are not told of what was written by one that is gone") {
    LogsTest test;
    const Ends web(test.open("web"));
    web.out("x\n");
    test.logs->drain("web");
    test.logs = nullptr;
    bool turned = false;
    test.loop.loop.later([&] { turned = true; });
    REQUIRE(test.loop.until([&] { return turned; }));
    CHECK(test.written == 0);
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
