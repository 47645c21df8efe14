// Runs of an earlier supervisor in the ProcessTable.
#include <doctest/doctest.h>

#include <map>

#include "supervisor/io/adoption.hpp"
#include "supervisor/io/pidfd.hpp"
#include "supervisor/io/proc_files.hpp"
#include "supervisor/io/process_table.hpp"
#include "tests/unit/event_wait.hpp"
#include "tests/unit/leftovers.hpp"
#include "tests/unit/orphanage.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

struct World {
    explicit World(Reaping reaping = Reaping::AtOnce) : others(scope, reaping) {}
    ~World() {
        for (const pid_t pid : started) ::kill(-pid, SIGKILL);
        end_leftovers({}, scope);
    }

    std::string scope = own_scope();
    Orphanage others;
    Told told;
    TestLoop events;
    std::map<RunNumber, ExitStatus> ended;
    std::unique_ptr<ProcessTable> table =
        ProcessTable::make(events.loop, scope, [this](RunNumber run, ExitStatus status) {
            CHECK_FALSE(ended.contains(run));
            ended[run] = status;
            table->clean_up(run);
        }).value();
    std::vector<pid_t> started;

    void adopt(RunNumber run, pid_t pid) {
        Descriptor pidfd = open_pidfd(pid);
        REQUIRE(pidfd);
        REQUIRE(table->adopt(run, {pid, pidfd.get()}, read_proc_stat(pid).value().start_ticks));
        (void)pidfd.release();
    }
    pid_t start(RunNumber run, const std::string& script) {
        const pid_t pid = others.start(run, script);
        REQUIRE(pid > 1);
        started.push_back(pid);
        adopt(run, pid);
        return pid;
    }
    bool until_ended(RunNumber run) {
        return events.until([&] { return ended.contains(run); });
    }
    bool until_gone(pid_t pid) {
        return events.until([&] {
            const Descriptor pidfd = open_pidfd(pid);
            return !pidfd || has_ended(pidfd.get());
        });
    }
};

// What is told of one that ended so: older kernels say nothing of whom another process has reaped.
ExitStatus told(ExitStatus status, Reaping reaping = Reaping::AtOnce) {
    return reaping == Reaping::WhenTold || kernel_tells() ? status : ExitStatus{};
}

bool lives(pid_t pid) {
    const Descriptor pidfd = open_pidfd(pid);
    return pidfd && !has_ended(pidfd.get());
}

}  // namespace

TEST_CASE("the end of an adopted run is told, with its exit status") {
    for (const Reaping reaping : {Reaping::AtOnce, Reaping::WhenTold}) {
        World world(reaping);
        std::array<Told, 3> gates;
        world.start(1, "read go < " + gates[0].path + "; exit 7");
        world.start(2, "read go < " + gates[1].path + "; kill -SEGV $$");
        world.start(3, "read go < " + gates[2].path + "; exit 0");
        CHECK(world.table->live() == 3);
        for (const Told& gate : gates) gate.say("go");
        for (const RunNumber run : {1, 2, 3}) REQUIRE(world.until_ended(run));
        CHECK(world.ended[1] == told(ExitStatus{ExitStatus::Kind::Code, 7}, reaping));
        CHECK(world.ended[2] == told(ExitStatus{ExitStatus::Kind::Signal, SIGSEGV}, reaping));
        CHECK(world.ended[3] == told(ExitStatus{ExitStatus::Kind::Code, 0}, reaping));
        CHECK(world.table->live() == 0);
    }
}

TEST_CASE("one that has ended between finding and adopting is told of as well") {
    World world(Reaping::WhenTold);
    const pid_t pid = world.others.start(1, "exit 4");
    {
        const Descriptor pidfd = open_pidfd(pid);
        REQUIRE(has_ended(pidfd.get(), cap));
    }
    world.adopt(1, pid);
    REQUIRE(world.until_ended(1));
    CHECK(world.ended[1] == ExitStatus{ExitStatus::Kind::Code, 4});
}

TEST_CASE("a signal reaches the whole group of an adopted run, and only that") {
    World world;
    const pid_t leader = world.start(1, "sh -c 'echo $$ > " + world.told.path + "; sleep 1000; true' & wait");
    const pid_t inner = world.told.pid();
    const pid_t neighbour = world.start(2, "exec sleep 1000");
    world.table->signal(1, SIGTERM);
    CHECK(world.until_ended(1));
    CHECK(world.ended[1] == told(ExitStatus{ExitStatus::Kind::Signal, SIGTERM}));
    CHECK(world.until_gone(inner));
    CHECK(lives(neighbour));
    world.table->signal(1, SIGKILL);  // of no run any longer
    CHECK_FALSE(lives(leader));
}

TEST_CASE("an adopted run leaves nothing behind: neither its group nor who left it") {
    World world;
    const std::string& path = world.told.path;
    const std::string daemon =
        "(setsid sh -c 'trap \"\" TERM; echo $$ > " + path + "; sleep 1000; true' &); ";
    const std::string member = "(trap '' TERM; sleep 1000; true) & echo $! > " + path + "; ";
    const pid_t leader = world.start(1, daemon + member + "wait");
    const pid_t first = world.told.pid();
    const pid_t second = world.told.pid();
    // Another run's end has all processes looked at.
    const Told gate;
    world.start(2, "read go < " + gate.path);
    gate.say("go");
    CHECK(world.until_ended(2));
    CHECK(lives(first));
    CHECK(lives(second));
    SUBCASE("when it ends by itself") {
        ::kill(leader, SIGTERM);
        CHECK(world.until_ended(1));
    }
    SUBCASE("when it is killed") {
        world.table->signal(1, SIGKILL);
    }
    CHECK(world.until_gone(first));
    CHECK(world.until_gone(second));
    CHECK(world.until_ended(1));
}

TEST_CASE("an adopted run that is told to stop has ended when its parent does not take note of it, too") {
    World world(Reaping::WhenTold);
    const Told never;
    world.start(1, "trap 'exit 3' TERM; echo $$ > " + world.told.path + "; while :; do read go < " +
                       never.path + "; done");
    (void)world.told.pid();
    world.table->stop(1, SIGTERM);
    REQUIRE(world.until_ended(1));
    CHECK(world.ended[1] == ExitStatus{ExitStatus::Kind::Code, 3});
}

TEST_CASE("who is left of an adopted group that was told to stop has its time, and the run lasts as long") {
    World world;
    const Told gate;
    const pid_t leader = world.start(1, leader_of_slow_member(gate, world.told.path));
    const pid_t member = world.told.pid();
    world.table->stop(1, SIGTERM);
    CHECK(world.until_gone(leader));
    // Another run's end has all processes looked at.
    const Told end;
    world.start(2, "read go < " + end.path);
    end.say("go");
    CHECK(world.until_ended(2));
    CHECK(lives(member));
    CHECK(world.table->is_live(1));
    CHECK_FALSE(world.ended.contains(1));
    SUBCASE("which ends by itself") {
        gate.say("go");
    }
    SUBCASE("or is killed") {
        world.table->stop(1, SIGKILL);
    }
    CHECK(world.until_ended(1));
    CHECK(world.ended[1] == told(ExitStatus{ExitStatus::Kind::Code, 3}));
    CHECK_FALSE(lives(member));
}

TEST_CASE("the last thing that a supervisor does is to end what its adopted runs left") {
    World world;
    const std::string& path = world.told.path;
    const pid_t leader =
        world.start(1, "(setsid sh -c 'echo $$ > " + path + "; sleep 1000; true' &); wait; sleep 1000");
    const pid_t daemon = world.told.pid();
    world.table->signal(1, SIGKILL);
    CHECK(world.until_ended(1));
    world.table->end_orphans(cap);
    CHECK_FALSE(lives(daemon));
    CHECK_FALSE(lives(leader));
}

TEST_CASE("a supervisor that was replaced in place adopts what is its child still") {
    World world;
    auto spawner = test::spawner(world.scope);
    const std::string script =
        "(setsid sh -c 'echo $$ > " + world.told.path + "; sleep 1000; true' &); read go; sleep 1000";
    const auto child = spawner.spawn(request({"/bin/sh", "-c", script}, 1), {});
    REQUIRE(child);
    ::close(child->pidfd);
    const pid_t daemon = world.told.pid();
    world.adopt(1, child->pid);
    ::kill(child->pid, SIGKILL);
    CHECK(world.until_ended(1));
    CHECK(world.ended[1] == told(ExitStatus{ExitStatus::Kind::Signal, SIGKILL}));
    CHECK(world.until_gone(daemon));
    CHECK(::waitpid(child->pid, nullptr, WNOHANG) == -1);
}

TEST_CASE("two hundred adopted runs that are killed at once are all told of, once each") {
    World world;
    for (RunNumber run = 1; run <= 200; ++run) world.start(run, "exec sleep 1000");
    for (RunNumber run = 1; run <= 200; ++run) world.table->signal(run, SIGKILL);
    CHECK(world.events.until([&] { return world.ended.size() == 200; }));
    for (const auto& [run, status] : world.ended)
        CHECK(status == told(ExitStatus{ExitStatus::Kind::Signal, SIGKILL}));
}
