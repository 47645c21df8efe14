#include "supervisor/io/logs.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>

#include "tests/unit/logs_fixture.hpp"

using namespace pmctl;
using namespace pmctl::test;

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

TEST_CASE("at the end no FIFO stays, whoever made it, and every log does") {
    LogsTest test;
    const Ends web(test.open("web"));
    const Ends other(test.open("other"));
    REQUIRE(::mkfifo(test.fifo("earlier.out").c_str(), 0600) == 0);
    web.out("last words\n");
    test.logs->drain_all();
    test.logs->close_all();
    CHECK_FALSE(std::filesystem::exists(std::filesystem::path(test.fifo("web.out")).parent_path()));
    CHECK(raw_of(test.log("web"), LogStream::Out) == "last words\n");
    web.out("to nobody\n");  // and no SIGPIPE
}

TEST_CASE("nor does one of many") {
    LogsTest test;
    for (int i = 0; i < 100; ++i) test.open("web:" + std::to_string(i));
    CHECK(std::filesystem::exists(test.fifo("web:99.err")));
    test.logs->close_all();
    CHECK_FALSE(std::filesystem::exists(std::filesystem::path(test.fifo("web:0.out")).parent_path()));
    CHECK(test.logs->descriptors().empty());
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

TEST_CASE(
    "an adopted program's output goes on where nobody read it, also when its FIFOs have no name any longer") {
    LogsTest test;
    const Ends web(test.open("web"));
    std::array<int, 2> ready{};
    REQUIRE(::pipe(ready.data()) == 0);
    const Fork program([&] {
        ::dup2(web.out_fd(), 1);
        ::dup2(web.err_fd(), 2);
        if (::write(ready[1], "r", 1) == 1) ::pause();
    });
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    web.out("first\n");
    REQUIRE(test.loop.until([&] { return raw_of(test.log("web")) == "first\n"; }));
    test.logs.reset();
    web.out("nobody reads this\n");
    bool has_names = true;
    SUBCASE("they have") {}
    SUBCASE("they were removed") {
        has_names = false;
        std::filesystem::remove_all(test.folder.path + "/fifo");
    }
    SUBCASE("others have their names") {
        std::filesystem::remove_all(test.folder.path + "/fifo");
        std::filesystem::create_directory(test.folder.path + "/fifo");
        REQUIRE(::mkfifo(test.fifo("web.out").c_str(), 0600) == 0);
        REQUIRE(::mkfifo(test.fifo("web.err").c_str(), 0600) == 0);
    }
    test.logs = test.make();
    REQUIRE(test.logs->adopt("web", {}, program.pid()));
    web.err("but this\n");
    REQUIRE(test.loop.until([&] { return raw_of(test.log("web"), LogStream::Err) == "but this\n"; }));
    CHECK(test.loop.until(
        [&] { return raw_of(test.log("web"), LogStream::Out) == "first\nnobody reads this\n"; }));
    CHECK(std::filesystem::exists(test.fifo("web.out")) == has_names);
    // The next run of this name has the same ones.
    const Ends next(test.open("web"));
    next.out("next\n");
    CHECK(test.loop.until(
        [&] { return raw_of(test.log("web"), LogStream::Out) == "first\nnobody reads this\nnext\n"; }));
    for (const int fd : ready) ::close(fd);
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
