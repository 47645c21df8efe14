#include "supervisor/core/replica.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <random>

#include "supervisor/core/backoff.hpp"
#include "tests/unit/replica_story.hpp"

using namespace pmctl;
using namespace pmctl::test;

TEST_CASE("what follows an exit: the policy, what ended it, and how") {
    struct Row {
        RestartMode mode;
        ExitStatus status;
        Phase phase;
        bool again;
        const char* reason;
    };
    const ExitStatus killed{ExitStatus::Kind::Signal, SIGKILL};
    const Row rows[] = {
        {RestartMode::Always, crash, Phase::Failed, true, "exited with 1; next start in 1s"},
        {RestartMode::Always, success, Phase::Failed, true, "exited with 0; next start in 1s"},
        {RestartMode::Always, killed, Phase::Failed, true, "killed by SIGKILL; next start in 1s"},
        {RestartMode::Always, {}, Phase::Failed, true, "ended, exit status unknown; next start in 1s"},
        {RestartMode::OnFailure, crash, Phase::Failed, true, "exited with 1; next start in 1s"},
        {RestartMode::OnFailure, success, Phase::Stopped, false,
         "exited with 0; not started again (restart.policy)"},
        {RestartMode::Never, crash, Phase::Failed, false,
         "exited with 1; not started again (restart.policy = \"never\")"},
        {RestartMode::Never, success, Phase::Stopped, false,
         "exited with 0; not started again (restart.policy)"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.reason);
        Story story(with_mode(row.mode));
        story.start();
        CHECK(story.tell(Exited{row.status, "", false}).ended);
        CHECK(story.phase() == row.phase);
        CHECK(story.reason() == row.reason);
        CHECK(completed(story.replica) == (row.phase == Phase::Stopped));
        CHECK((next_deadline(story.replica) != TimePoint::max()) == row.again);
        CHECK(story.replica.restarts == (row.again ? 1 : 0));
        CHECK(broken_invariant(story.replica).empty());
    }
}

TEST_CASE("the first crash of what was healthy costs no wait, those after it do") {
    Story story(service("web"));
    story.start_healthy();
    story.tell_at(1s, Exited{crash, "", false});
    CHECK(story.phase() == Phase::Starting);
    CHECK(story.started == 2);
    story.tell(Checked{good});
    story.tell_at(2s, Exited{crash, "out of memory (limit 64MiB)", false});
    CHECK(story.phase() == Phase::Failed);
    CHECK(story.reason() ==
          "exited with 1: out of memory (limit 64MiB); next start in 1s (2 failures in a row)");
    CHECK(story.next() == "started in 1s");
    story.tell_at(2s + 999ms, Woke{});
    CHECK(story.started == 2);
    story.tell_at(3s, Woke{});
    CHECK(story.started == 3);
    CHECK(story.replica.restarts == 2);
}

TEST_CASE("the circuit opens, tries once after each cool-down, and closes when a run stays healthy") {
    Story story(service("web"));
    story.start();
    for (int i = 0; i < 7; ++i) {
        story.tell(Exited{crash, "", false});
        REQUIRE(story.phase() == Phase::Failed);
        story.time += story.wait();
        story.tell(Woke{});
        REQUIRE(story.phase() == Phase::Starting);
    }
    story.tell(Exited{crash, "", false});
    CHECK(story.replica.failures == 8);
    CHECK(story.reason() == "exited with 1; next start in 5m (8 failures in a row: circuit open)");
    CHECK(story.next() == "one trial start in 5m");
    story.time += 5min;
    story.tell(Woke{});
    CHECK(story.phase() == Phase::Starting);
    story.tell(Checked{good});
    story.time += 59s;  // not reset_after
    story.tell(Exited{crash, "", false});
    CHECK(story.wait() == 5min);
    story.time += 5min;
    story.tell(Woke{});
    story.tell(Checked{good});
    story.time += 60s;
    story.tell(Exited{crash, "", false});
    CHECK(story.phase() == Phase::Starting);
    CHECK(story.replica.failures == 1);
}

TEST_CASE("health that lasted ends the count, also where failed checks end it") {
    Story story(service("web"));
    story.start();
    for (int i = 0; i < 3; ++i) {
        story.tell(Exited{crash, "", false});
        story.time += story.wait();
        story.tell(Woke{});
    }
    story.tell(Checked{good});
    CHECK(story.replica.failures == 3);
    story.time += 10h;
    for (int i = 0; i < 3; ++i) story.tell(Checked{bad});
    REQUIRE(story.phase() == Phase::Stopping);
    story.tell(Exited{{ExitStatus::Kind::Signal, SIGTERM}, "", false});
    CHECK(story.replica.failures == 1);
    CHECK(story.phase() == Phase::Starting);
    CHECK(story.reason() == "waits for its first good check");
}

TEST_CASE("a start that is not healthy in time counts as a failure, with the last check's words") {
    Story story(service("web"));
    story.start();
    story.tell(Checked{bad});
    CHECK(story.reason() == "not healthy yet: HTTP 503");
    story.tell_at(60s, Woke{});
    CHECK(story.phase() == Phase::Stopping);
    CHECK(story.reason() == "was not healthy in time; SIGKILL in 10s");
    CHECK(story.next() == "SIGKILL in 10s");
    CHECK(story.tell_at(70s, Woke{}).signal == SIGKILL);
    CHECK(story.reason() == "was not healthy in time; SIGKILL sent");
    CHECK(story.next() == "ends by SIGKILL");
    story.tell(Exited{{ExitStatus::Kind::Signal, SIGKILL}, "", false});
    CHECK(story.reason() == "not healthy within 1m: HTTP 503; next start in 1s");
}

TEST_CASE("failed checks in words, while they come and when they have ended it") {
    InstanceSpec spec = service("web");
    spec.policy.health.unhealthy_after = 3;
    spec.policy.health.restart_after = 4;
    spec.policy.health.healthy_after = 3;
    Story story(spec);
    story.start_healthy();
    CHECK(story.reason().empty());
    story.tell(Checked{bad});
    CHECK(story.reason() == "1 failed check: HTTP 503");
    story.tell(Checked{bad});
    CHECK(story.reason() == "2 failed checks: HTTP 503");
    story.tell(Checked{bad});
    CHECK(story.phase() == Phase::Unhealthy);
    CHECK(story.reason() == "3 failed checks in a row: HTTP 503");
    story.tell(Checked{good});
    CHECK(story.reason() == "not yet healthy again: 1 good check in a row");
    story.tell(Checked{good});
    CHECK(story.reason() == "not yet healthy again: 2 good checks in a row");
    story.tell(Checked{good});
    CHECK(story.phase() == Phase::Running);
    for (int i = 0; i < 4; ++i) story.tell(Checked{bad});
    CHECK(story.reason() == "4 failed checks in a row; SIGKILL in 10s");
    story.tell(Exited{success, "", false});
    story.tell(Exited{crash, "", false});
    CHECK(story.replica.rest_reason == "exited with 1");
}

TEST_CASE("a stop while it waits for its next start, and a start while it stops") {
    Story story(service("web"));
    story.start();
    story.tell(Exited{crash, "", false});
    story.tell(StopReplica{"stopped by an operator", "", false});
    CHECK(story.phase() == Phase::Stopped);
    CHECK(story.reason() == "stopped by an operator");
    CHECK(next_deadline(story.replica) == TimePoint::max());
    story.tell_at(1h, Woke{});
    CHECK(story.started == 1);

    story.start_healthy();
    CHECK(story.tell(StopReplica{"stopped by an operator", "", false}).signal == SIGTERM);
    CHECK(story.reason() == "stopped by an operator; SIGKILL in 10s");
    story.tell(StartOrder{"started by an operator"});
    CHECK(story.phase() == Phase::Stopping);
    CHECK(story.started == 2);
    story.tell(Exited{{ExitStatus::Kind::Signal, SIGTERM}, "", false});
    CHECK(story.phase() == Phase::Starting);
    CHECK(story.replica.failures == 0);
    CHECK(story.replica.restarts == 1);
}

TEST_CASE("a stop that is held waits, is called off by a start, and is done when released") {
    Story story(service("db"));
    story.start_healthy();
    CHECK(story.tell(StopReplica{"stopped by an operator", "web", false}).signal == 0);
    CHECK(story.phase() == Phase::Running);
    CHECK(story.reason() == "stopped by an operator; stops after 'web'");
    CHECK(story.next() == "stopped when 'web' has stopped");
    story.tell(StartOrder{});
    CHECK(story.reason().empty());
    story.tell(StopReplica{"stopped by an operator", "web", false});
    CHECK(story.tell(StopReplica{"stopped by an operator", "", false}).signal == SIGTERM);
    story.tell(Exited{crash, "", false});
    CHECK(story.reason() == "stopped by an operator");
    CHECK_FALSE(completed(story.replica));
}

TEST_CASE("a held one that crashes is stopped") {
    Story story(service("db"));
    story.start_healthy();
    story.tell(StopReplica{"stopped by an operator", "web", false});
    story.tell(Exited{crash, "", false});
    CHECK(story.phase() == Phase::Stopped);
    CHECK(story.replica.held_by.empty());
    CHECK(story.started == 1);
}

TEST_CASE("a restart is one order, whatever it is doing") {
    Story story(service("web"));
    story.tell(RestartOrder{});
    CHECK(story.phase() == Phase::Starting);
    story.tell(Checked{good});
    CHECK(story.tell(RestartOrder{}).signal == SIGTERM);
    CHECK(story.reason() == "to be started again; SIGKILL in 10s");
    CHECK(story.tell(RestartOrder{}).signal == 0);
    story.tell(Exited{crash, "", false});
    CHECK(story.phase() == Phase::Starting);
    CHECK(story.replica.restarts == 0);
    Story never(with_mode(RestartMode::Never));
    never.start();
    never.tell(RestartOrder{});
    never.tell(Exited{success, "", false});
    CHECK(never.phase() == Phase::Starting);
}

TEST_CASE("a gate, and what opens it") {
    Story story(service("web"));
    story.spawns = false;
    story.start();
    story.tell(Blocked{"'db' to be healthy"});
    CHECK(story.phase() == Phase::Stopped);
    CHECK(story.reason() == "waits for 'db' to be healthy");
    CHECK(story.next() == "started when it no longer waits for 'db' to be healthy");
    CHECK(next_deadline(story.replica) == TimePoint::max());
    CHECK(story.tell(MayStart{}).start);
    story.spawns = true;
    story.tell(Blocked{"'db' to be healthy"});
    story.tell(MayStart{});
    CHECK(story.phase() == Phase::Starting);
    CHECK_FALSE(story.tell(MayStart{}).start);
}

TEST_CASE("no port: Failed, tried again when one is there or after backoff_max, at no cost") {
    Story story(service("web"));
    story.spawns = false;
    story.start();
    story.tell(NoPort{"no free port in 30000-30001"});
    CHECK(story.phase() == Phase::Failed);
    CHECK(story.reason() == "no free port in 30000-30001");
    CHECK(story.next() == "started when a port is released, tried again in 30s");
    CHECK(story.tell_at(30s, Woke{}).start);
    story.tell(NoPort{"no free port in 30000-30001"});
    CHECK(story.tell(MayStart{}).start);
    CHECK(story.replica.failures == 0);
}

TEST_CASE("a spawn that fails counts, unless the machine lacks something") {
    Story story(service("web"));
    story.spawns = false;
    story.start();
    story.tell(SpawnFailed{"chdir '/srv': No such file or directory", StartFault::Own});
    CHECK(story.phase() == Phase::Failed);
    CHECK(story.reason() == "chdir '/srv': No such file or directory; next start in 1s");
    CHECK(story.replica.failures == 1);
    story.tell_at(1s, Woke{});
    const SpawnFailed refused{"clone3: Resource temporarily unavailable", StartFault::Machine};
    Duration at = 1s;
    for (const Duration wait : {1s, 2s, 4s, 8s, 16s, 30s, 30s, 30s, 30s}) {
        story.tell(refused);
        CHECK(story.replica.failures == 1);
        CHECK(story.wait() == wait);
        at += wait;
        CHECK(story.tell_at(at, Woke{}).start);
    }
    // What was started ends the row.
    story.tell(Spawned{1, 4001, 30000});
    story.tell(Exited{crash});
    story.tell_at(at + 2s, Woke{});
    story.tell(refused);
    CHECK(story.wait() == 1s);
    Story never(with_mode(RestartMode::Never));
    never.spawns = false;
    never.start();
    never.tell(SpawnFailed{"exec: No such file or directory", StartFault::Own});
    CHECK(never.reason() ==
          "exec: No such file or directory; not started again (restart.policy = \"never\")");
    never.start();
    never.tell(refused);
    CHECK(never.reason() ==
          "clone3: Resource temporarily unavailable; not started again (restart.policy = \"never\")");
}

TEST_CASE("a stolen port is answered with another one at once, but not for ever") {
    Story story(service("web"));
    story.start();
    const Exited stolen{crash, "port 30000 is held by pid 7 (nginx)", true};
    for (std::uint32_t i = 0; i < max_ports_lost; ++i) {
        const Actions actions = story.tell(stolen);
        CHECK(actions.another_port);
        CHECK(actions.start);
        CHECK(story.replica.failures == 0);
    }
    const Actions last = story.tell(stolen);
    CHECK(last.another_port);
    CHECK_FALSE(last.start);
    CHECK(story.replica.failures == 1);
    CHECK(story.reason() == "exited with 1: port 30000 is held by pid 7 (nginx); next start in 1s");
    story.tell_at(1s, Woke{});
    story.tell(Checked{good});
    CHECK(story.replica.ports_lost == 0);
}
