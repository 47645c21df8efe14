#include "supervisor/io/exec_check.hpp"

#include <doctest/doctest.h>

#include <map>

#include "tests/unit/event_wait.hpp"
#include "tests/unit/spawned.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

struct World {
    TestLoop events;
    Spawner spawner = test::spawner();
    std::unique_ptr<ProcessTable> table =
        ProcessTable::make(events.loop, "test", [](RunNumber, ExitStatus) {}).value();
    std::multimap<RunNumber, CheckResult> results;
    std::unique_ptr<ExecChecks> checks =
        ExecChecks::make(events.loop, spawner, *table, [this](RunNumber run, const CheckResult& result) {
            results.emplace(run, result);
        }).value();

    void start(RunNumber run, const std::string& script, Duration timeout = cap) {
        CheckRequest check;
        check.run = run;
        check.kind = HealthKind::Exec;
        check.timeout = timeout;
        check.exec = request({"sh", "-c", script}, run);
        checks->start(check);
    }
    CheckResult result(RunNumber run) {
        REQUIRE(events.until([&] { return results.contains(run); }));
        REQUIRE(results.count(run) == 1);
        return results.find(run)->second;
    }
    // What a program that does not end in time has said last; it is given twice as long until it said
    // something.
    std::string said_until(Duration limit, const std::string& script) {
        for (RunNumber run = 1;; ++run, limit *= 2) {
            start(run, script, limit);
            const CheckResult found = result(run);
            CHECK_FALSE(found.ok);
            const std::string words = "not finished within " + format_duration(limit);
            if (found.error == words && limit < cap / 4) continue;
            REQUIRE(found.error.starts_with(words + ": "));
            return found.error.substr(words.size() + 2);
        }
    }
};

}  // namespace

TEST_CASE("A check is good if its program ends with 0, whatever it prints") {
    World world;
    world.start(1, "echo terrible; exit 0");
    const auto result = world.result(1);
    CHECK(result.ok);
    CHECK(result.error.empty());
    CHECK(result.latency > Duration{});
    CHECK_FALSE(result.inconclusive);
    CHECK(world.checks->open() == 0);
}

TEST_CASE("A bad check says how it ended, and the last thing it printed") {
    World world;
    world.start(1, "echo first; echo 'queue is full' >&2; echo; exit 3");
    world.start(2, "kill -ABRT $$");
    world.start(3, "printf 'a\\033[31mb\\007'; exit 1");
    CHECK(world.result(1).error == "exited with 3: queue is full");
    CHECK(world.result(2).error == "killed by SIGABRT");
    CHECK(world.result(3).error == "exited with 1: a [31mb");
    CHECK_FALSE(world.result(1).ok);
}

TEST_CASE("A check that does not end in time is killed with its whole group") {
    World world;
    const pid_t inner = std::stoi(
        world.said_until(std::chrono::milliseconds(300), "trap '' TERM; sleep 1000 & echo $!; wait"));
    CHECK(world.events.until([&] { return ::kill(inner, 0) != 0; }));
}

TEST_CASE("A check whose program cannot be started is bad, and says why") {
    World world;
    CheckRequest check;
    check.run = 4;
    check.timeout = cap;
    check.exec = request({"./none"}, 4);
    world.checks->start(check);
    CHECK(world.results.empty());  // never from within the call
    CHECK(world.result(4).error == "exec './none': No such file or directory");
    CHECK_FALSE(world.result(4).inconclusive);
}

TEST_CASE("A want of descriptors is no verdict on the instance") {
    World world;
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit few{64, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    std::vector<int> open;
    for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) open.push_back(fd);
    world.start(1, "true");
    ::setrlimit(RLIMIT_NOFILE, &before);
    for (const int fd : open) ::close(fd);
    CHECK(world.result(1).inconclusive);
    CHECK(world.result(1).error == "cannot check: Too many open files");
}

TEST_CASE("A forgotten check is killed and not answered; the next one of its run is") {
    World world;
    world.start(1, "sleep 1000");
    world.checks->forget(1);
    world.start(2, "true");
    world.start(1, "exit 9");
    CHECK(world.result(1).error == "exited with 9");
    CHECK(world.result(2).ok);
    CHECK(world.events.until([&] { return world.checks->open() == 0; }));
    CHECK(world.results.size() == 2);
}

TEST_CASE("A check that prints without end is stopped by its time alone, and its reason stays short") {
    World world;
    const std::string said = world.said_until(
        std::chrono::milliseconds(200), "while :; do echo 0123456789012345678901234567890123456789; done");
    CHECK(said.starts_with("01234"));
}

TEST_CASE("The last line is the last that has something on it, and no longer than it may be") {
    LastLine line;
    CHECK(line.text().empty());
    line.add("one\ntw");
    CHECK(line.text() == "tw");
    line.add("o\r\n \n\n");
    CHECK(line.text() == "two");
    line.add(std::string(5000, 'x'));
    CHECK(line.text() == std::string(LastLine::longest, 'x'));
    line.add("\nend");
    CHECK(line.text() == "end");
}
