#include "supervisor/io/process_table.hpp"

#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <map>

#include "supervisor/io/proc_files.hpp"
#include "tests/unit/event_wait.hpp"
#include "tests/unit/orphanage.hpp"
#include "tests/unit/spawned.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

bool exists(pid_t pid) {
    return ::kill(pid, 0) == 0;
}

struct World {
    TestLoop events;
    Spawner spawner = test::spawner("world");
    std::map<RunNumber, ExitStatus> ended;
    bool clean_up_at_once = true;
    std::unique_ptr<ProcessTable> table =
        ProcessTable::make(events.loop, "world", [this](RunNumber run, ExitStatus status) {
            ended[run] = status;
            if (clean_up_at_once) table->clean_up(run);
        }).value();
    std::array<int, 2> out{};

    World() { REQUIRE(::pipe2(out.data(), O_CLOEXEC | O_NONBLOCK) == 0); }
    ~World() {
        ::close(out[0]);
        ::close(out[1]);
    }

    pid_t start(RunNumber run, const std::string& script) {
        const auto child = spawner.spawn(request({"sh", "-c", script}, run), {out[1], out[1], {}});
        REQUIRE(child);
        REQUIRE(table->add(run, *child));
        return child->pid;
    }
    // The pid that a script prints, as a line.
    pid_t told() {
        std::string text;
        events.until([&] {
            char byte = 0;
            while (::read(out[0], &byte, 1) == 1) {
                if (byte == '\n') return true;
                text += byte;
            }
            return false;
        });
        REQUIRE_FALSE(text.empty());
        return std::stoi(text);
    }
    bool until_ended(RunNumber run) {
        return events.until([&] { return ended.contains(run); });
    }
    bool until_gone(pid_t pid) {
        return events.until([&] { return !exists(pid); });
    }
};

}  // namespace

TEST_CASE("A process's end is told with its code or its signal") {
    World world;
    world.start(1, "exit 7");
    world.start(2, "kill -SEGV $$");
    CHECK(world.until_ended(1));
    CHECK(world.until_ended(2));
    CHECK(world.ended[1] == ExitStatus{ExitStatus::Kind::Code, 7});
    CHECK(world.ended[2] == ExitStatus{ExitStatus::Kind::Signal, SIGSEGV});
    CHECK(world.table->live() == 0);
}

TEST_CASE("A signal reaches the whole group") {
    World world;
    // The inner shell would outlive a signal to the leader alone.
    world.start(1, "sh -c 'echo $$; sleep 1000; true' & wait");
    const pid_t inner = world.told();
    world.table->signal(1, SIGTERM);
    CHECK(world.until_ended(1));
    CHECK(world.ended[1] == ExitStatus{ExitStatus::Kind::Signal, SIGTERM});
    CHECK(world.until_gone(inner));
}

TEST_CASE("A process that ignores TERM lives until it is killed, and its children go with it") {
    World world;
    world.start(1, "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1000; done");
    const pid_t inner = world.told();
    world.table->signal(1, SIGTERM);
    CHECK(exists(inner));
    world.table->signal(1, SIGKILL);
    CHECK(world.until_ended(1));
    CHECK(world.ended[1] == ExitStatus{ExitStatus::Kind::Signal, SIGKILL});
    CHECK(world.until_gone(inner));
}

TEST_CASE("What is left of a group is killed when its leader ends") {
    World world;
    world.start(1, "trap '' TERM HUP; sleep 1000 & echo $!");
    const pid_t left = world.told();
    CHECK(world.until_ended(1));
    CHECK(world.until_gone(left));
}

TEST_CASE("Who is left of a group that was told to stop has its time, and the run lasts as long") {
    World world;
    const Told gate;
    const pid_t leader = world.start(1, leader_of_slow_member(gate, "/dev/stdout"));
    const pid_t member = world.told();
    world.table->stop(1, SIGTERM);
    CHECK(world.until_gone(leader));
    // Another run's end makes a sweep, which sees the member, and leaves it alone.
    world.start(2, "exit 0");
    CHECK(world.until_ended(2));
    const pid_t stranger = ::fork();
    if (stranger == 0) ::_exit(0);
    CHECK(world.until_gone(stranger));
    CHECK(exists(member));
    CHECK(world.table->is_live(1));
    CHECK_FALSE(world.ended.contains(1));
    SUBCASE("which ends by itself") {
        gate.say("go");
    }
    SUBCASE("or is killed") {
        world.table->stop(1, SIGKILL);
    }
    CHECK(world.until_ended(1));
    CHECK(world.ended[1] == ExitStatus{ExitStatus::Kind::Code, 3});
    CHECK_FALSE(exists(member));
    CHECK(world.table->live() == 0);
    // Nothing of it is waited for any longer: this comes back.
    world.table->end_orphans(std::chrono::hours(1));
}

TEST_CASE("A zombie of the group that somebody else does not reap holds up no kill") {
    World world;
    // The parent of the member left the group, and never waits.
    const pid_t leader =
        world.start(1,
                    "trap 'exit 0' TERM; python3 -c 'import os, signal\n"
                    "pid = os.fork()\n"
                    "if pid == 0: signal.pause()\n"
                    "os.setsid(); print(pid, flush=True); signal.pause()' & while :; do wait; done");
    const pid_t member = world.told();
    world.table->stop(1, SIGTERM);
    CHECK(world.until_gone(leader));
    CHECK(world.events.until([&] {
        const auto stat = read_proc_stat(member);
        return stat && stat->state == 'Z';
    }));
    CHECK(world.table->is_live(1));
    world.table->stop(1, SIGKILL);
    CHECK(world.until_ended(1));
}

TEST_CASE("A process that left its group by a double fork and setsid goes with its run, and not before") {
    World world;
    world.start(1, "(setsid sh -c 'echo $$; sleep 1000; true' &); sleep 1000");
    const pid_t daemon = world.told();
    // Another run's end makes a sweep, which sees the orphan, and leaves it alone: its run lives.
    world.start(2, "exit 0");
    CHECK(world.until_ended(2));
    const pid_t stranger = ::fork();
    if (stranger == 0) ::_exit(0);
    CHECK(world.until_gone(stranger));  // reaped by that sweep, or the next
    CHECK(exists(daemon));
    world.table->signal(1, SIGKILL);
    CHECK(world.until_ended(1));
    CHECK(world.until_gone(daemon));
}

TEST_CASE("An orphan of a run that has ended before it is first seen is killed") {
    World world;
    world.start(1, "trap 'exit 0' TERM; (setsid sh -c 'echo $$; sleep 1000; true' &); sleep 1000 & wait");
    const pid_t daemon = world.told();
    world.table->signal(1, SIGTERM);
    CHECK(world.until_ended(1));
    CHECK(world.until_gone(daemon));
}

TEST_CASE("A zombie that is nobody's is reaped") {
    World world;
    const pid_t stranger = ::fork();
    if (stranger == 0) ::_exit(3);
    CHECK(world.until_gone(stranger));
}

TEST_CASE(
    "A living stranger without a tag, or with another supervisor's, is left alone and reaped at its end") {
    World world;
    auto other = test::spawner("another");
    const auto child = other.spawn(request({"sleep", "1000"}, 1), {});
    REQUIRE(child);
    ::close(child->pidfd);
    world.start(1, "exit 0");
    CHECK(world.until_ended(1));
    const pid_t zombie = ::fork();
    if (zombie == 0) ::_exit(0);
    CHECK(world.until_gone(zombie));
    CHECK(exists(child->pid));
    ::kill(child->pid, SIGKILL);
    CHECK(world.until_gone(child->pid));
}

TEST_CASE("A process that is no run's own tells its end to whom it concerns") {
    World world;
    const auto child = world.spawner.spawn(request({"sh", "-c", "exit 5"}, 9), {});
    REQUIRE(child);
    ExitStatus status;
    REQUIRE(world.table->add_other(*child, [&](ExitStatus ended) { status = ended; }));
    CHECK(world.events.until([&] { return status.kind != ExitStatus::Kind::Unknown; }));
    CHECK(status == ExitStatus{ExitStatus::Kind::Code, 5});
    CHECK(world.ended.empty());
}

TEST_CASE("The replacement of a crashed process is started from the report of its end") {
    World world;
    int starts = 0;
    world.table = nullptr;
    world.table = ProcessTable::make(world.events.loop, "world", [&](RunNumber run, ExitStatus) {
                      world.table->clean_up(run);
                      if (++starts < 20) world.start(run + 1, "exit 1");
                  }).value();
    world.start(1, "exit 1");
    CHECK(world.events.until([&] { return starts == 20; }));
    CHECK(world.table->live() == 0);
}

TEST_CASE("Two hundred that are killed at once are all told of, once each") {
    World world;
    for (RunNumber run = 1; run <= 200; ++run) {
        const auto child = world.spawner.spawn(request({"sleep", "1000"}, run), {});
        REQUIRE(child);
        REQUIRE(world.table->add(run, *child));
    }
    for (RunNumber run = 1; run <= 200; ++run) world.table->signal(run, SIGKILL);
    CHECK(world.events.until([&] { return world.ended.size() == 200; }));
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}
