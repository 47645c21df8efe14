#include "supervisor/core/replica.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <random>

#include "supervisor/core/backoff.hpp"
#include "tests/scenario/config_builder.hpp"

using namespace pmctl;
using namespace pmctl::test;
using namespace std::chrono_literals;

namespace {

const ExitStatus crash{ExitStatus::Kind::Code, 1};
const ExitStatus success{ExitStatus::Kind::Code, 0};
const CheckResult good{true, "", 1ms};
const CheckResult bad{false, "HTTP 503", 1ms};

SpecPtr shared(InstanceSpec spec) {
    return std::make_shared<const InstanceSpec>(std::move(spec));
}

// A replica and its time; answers a `start` action by a process unless it is told not to.
struct Story {
    Replica replica;
    Duration time{};
    bool spawns = true;
    RunNumber runs = 0;
    int started = 0;

    explicit Story(InstanceSpec spec) { replica.spec = shared(std::move(spec)); }

    Now now() const { return {TimePoint(1h + time), WallTime(400'000h + time)}; }
    Actions tell(const ReplicaEvent& event) {
        Actions actions = step(replica, event, now(), 0);
        if (actions.start) {
            ++started;
            if (spawns) step(replica, Spawned{++runs, 4000 + static_cast<int>(runs), 30000}, now(), 0);
        }
        return actions;
    }
    Actions tell_at(Duration when, const ReplicaEvent& event) {
        time = when;
        return tell(event);
    }
    void start() { tell(StartOrder{}); }
    void start_healthy() {
        start();
        if (replica.run->phase == Phase::Starting) tell(Checked{good});
        REQUIRE(phase() == Phase::Running);
    }
    Phase phase() const { return phase_of(replica); }
    std::string reason() const { return reason_of(replica, now()); }
    std::string next() const { return next_of(replica, now()); }
    Duration wait() const { return next_deadline(replica) - now().steady; }
};

InstanceSpec with_mode(RestartMode mode) {
    InstanceSpec spec = service("web");
    spec.policy.restart.mode = mode;
    return spec;
}

}  // namespace

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
    story.tell(SpawnFailed{"chdir '/srv': No such file or directory", false});
    CHECK(story.phase() == Phase::Failed);
    CHECK(story.reason() == "chdir '/srv': No such file or directory; next start in 1s");
    CHECK(story.replica.failures == 1);
    story.tell_at(1s, Woke{});
    story.tell(SpawnFailed{"clone3: Resource temporarily unavailable", true});
    CHECK(story.replica.failures == 1);
    CHECK(story.wait() == 1s);
    Story never(with_mode(RestartMode::Never));
    never.spawns = false;
    never.start();
    never.tell(SpawnFailed{"exec: No such file or directory", false});
    CHECK(never.reason() ==
          "exec: No such file or directory; not started again (restart.policy = \"never\")");
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

TEST_CASE("a changed process is replaced, wherever the change meets it") {
    InstanceSpec changed = service("web");
    changed.process.command = {"/srv/new"};
    const NewSpec replace{shared(changed), true};
    SUBCASE("running") {
        Story story(service("web"));
        story.start_healthy();
        CHECK(story.tell(replace).signal == SIGTERM);
        CHECK(runs_old_spec(story.replica));
        story.tell(Exited{success, "", false});
        CHECK(story.phase() == Phase::Starting);
        CHECK_FALSE(runs_old_spec(story.replica));
    }
    SUBCASE("stopping for good") {
        Story story(service("web"));
        story.start_healthy();
        story.tell(StopReplica{"stopped by an operator", "", false});
        story.tell(replace);
        story.tell(Exited{success, "", false});
        CHECK(story.phase() == Phase::Stopped);
        story.start();
        CHECK(story.replica.run_spec == replace.spec);
    }
    SUBCASE("waiting after failures: they are forgotten with what failed") {
        Story story(service("web"));
        story.start();
        for (int i = 0; i < 3; ++i) {
            story.tell(Exited{crash, "", false});
            story.time += story.wait();
            story.tell(Woke{});
        }
        story.tell(Exited{crash, "", false});
        story.tell(replace);
        CHECK(story.phase() == Phase::Starting);
        CHECK(story.replica.failures == 0);
    }
    SUBCASE("changed and changed back while it is held: what runs is what is configured") {
        Story story(service("web"));
        story.start_healthy();
        story.tell(StopReplica{"no longer configured", "other", false});
        story.tell(NewSpec{shared(changed), false});
        CHECK(runs_old_spec(story.replica));
        story.tell(NewSpec{shared(service("web")), false});
        CHECK_FALSE(runs_old_spec(story.replica));
    }
}

TEST_CASE("a changed policy is applied to the run that is there") {
    Story story(service("web"));
    story.start_healthy();
    InstanceSpec quick = service("web");
    quick.policy.health.interval = 100ms;
    story.tell_at(1s, NewSpec{shared(quick), false});
    CHECK(story.tell(Woke{}).check);
    story.tell(Checked{good});
    CHECK(story.wait() <= 120ms);
    InstanceSpec none = quick;
    none.policy.health.kind = HealthKind::None;
    story.tell(NewSpec{shared(none), false});
    CHECK(next_deadline(story.replica) == TimePoint::max());
    CHECK(story.next().empty());
    story.tell(Checked{bad});
    CHECK(story.phase() == Phase::Running);
    CHECK(next_deadline(story.replica) == TimePoint::max());
    story.tell(NewSpec{shared(quick), false});
    CHECK(story.tell(Woke{}).check);
}

TEST_CASE("a starting run that needs no checks any longer is Running") {
    Story story(service("web"));
    story.start();
    InstanceSpec none = service("web");
    none.policy.health.kind = HealthKind::None;
    story.tell(NewSpec{shared(none), false});
    CHECK(story.phase() == Phase::Running);
    CHECK(next_deadline(story.replica) == TimePoint::max());
    CHECK(broken_invariant(story.replica).empty());
}

TEST_CASE("what a policy left at rest is started when the policy no longer would") {
    Story failed(with_mode(RestartMode::Never));
    failed.start();
    failed.tell(Exited{crash, "", false});
    failed.tell(NewSpec{shared(with_mode(RestartMode::Never)), false});
    CHECK(failed.phase() == Phase::Failed);
    failed.tell(NewSpec{shared(with_mode(RestartMode::OnFailure)), false});
    CHECK(failed.phase() == Phase::Starting);
    Story done(with_mode(RestartMode::OnFailure));
    done.start();
    done.tell(Exited{success, "", false});
    done.tell(NewSpec{shared(with_mode(RestartMode::Never)), false});
    CHECK(completed(done.replica));
    done.tell(NewSpec{shared(with_mode(RestartMode::Always)), false});
    CHECK(done.phase() == Phase::Starting);
}

TEST_CASE("reset forgets the failures and starts what waits") {
    Story story(service("web"));
    story.start();
    story.tell(Exited{crash, "", false});
    story.tell(ResetOrder{});
    CHECK(story.phase() == Phase::Starting);
    CHECK(story.replica.failures == 0);
    story.tell(StopReplica{"stopped by an operator", "", false});
    story.tell(Exited{success, "", false});
    story.tell(ResetOrder{});
    CHECK(story.reason() == "stopped by an operator");
    CHECK(story.started == 2);
}

TEST_CASE("what even SIGKILL does not end is said so, and ends when it does") {
    Story story(service("web"));
    story.start_healthy();
    story.tell(StopReplica{"stopped by an operator", "", true});
    story.tell_at(kill_patience, Woke{});
    CHECK(story.phase() == Phase::Failed);
    CHECK(story.reason() == "stop failed: SIGKILL did not end it (is it in uninterruptible sleep?)");
    CHECK(story.next().empty());
    CHECK(story.tell(StopReplica{"the supervisor stops", "", true}).signal == 0);
    story.tell(Exited{{ExitStatus::Kind::Signal, SIGKILL}, "", false});
    CHECK(story.phase() == Phase::Stopped);
    CHECK(story.reason() == "the supervisor stops");
}

// Every event at every time: after each of them nothing is wrong, and what is asked for comes to be.
TEST_CASE("a long random walk breaks nothing") {
    std::mt19937_64 random(20261123);
    const auto dice = [&](std::uint64_t sides) { return random() % sides; };
    InstanceSpec specs[] = {service("web"), service("web"), worker("web"), service("web")};
    specs[1].policy.restart.mode = RestartMode::OnFailure;
    specs[1].process.command = {"/srv/other"};
    specs[2].policy.restart.circuit_failures = 2;
    specs[3].policy.restart.mode = RestartMode::Never;
    std::vector<SpecPtr> choices;
    for (const InstanceSpec& each : specs) choices.push_back(shared(each));

    Story story(specs[0]);
    story.spawns = false;
    std::uint32_t phases[7] = {};
    const auto answer = [&](bool asked) {
        while (asked) {
            asked = false;
            ReplicaEvent reply = Spawned{++story.runs, 1, 30000};
            if (dice(4) == 0) reply = Blocked{"'db' to be healthy"};
            if (dice(8) == 0) reply = NoPort{"no free port"};
            if (dice(8) == 0) reply = SpawnFailed{"chdir", dice(2) == 0};
            asked = step(story.replica, reply, story.now(), 0.5).start;
        }
    };
    for (int i = 0; i < 200'000; ++i) {
        const bool live = has_live_run(story.replica);
        ReplicaEvent event = Woke{};
        switch (dice(16)) {
            case 0: event = StartOrder{}; break;
            case 1: event = StopReplica{"stopped", dice(3) == 0 ? "other" : "", dice(4) == 0}; break;
            case 2: event = RestartOrder{}; break;
            case 3: event = NewSpec{choices[dice(4)], dice(2) == 0}; break;
            case 4: event = ResetOrder{}; break;
            case 5: event = MayStart{}; break;
            case 6:
            case 7: event = Checked{good}; break;
            case 8:
            case 9: event = Checked{CheckResult{false, "HTTP 503", 1ms, dice(5) == 0}}; break;
            case 10:
            case 11:
                if (live)
                    event = Exited{ExitStatus{ExitStatus::Kind::Code, static_cast<int>(dice(2))}, "",
                                   dice(6) == 0};
                break;
            default: story.time += Duration(dice(1'000'000'000) * dice(90)); break;
        }
        const Actions actions = step(story.replica, event, story.now(), 0.5);
        if (actions.start) REQUIRE_FALSE(has_live_run(story.replica));
        answer(actions.start);
        REQUIRE(broken_invariant(story.replica) == "");
        ++phases[static_cast<int>(story.phase())];
        // Reasons and outlooks can be asked for at any time.
        if (i % 64 == 0) REQUIRE(story.reason().size() + story.next().size() < 500);
    }
    for (const Phase each :
         {Phase::Starting, Phase::Running, Phase::Unhealthy, Phase::Stopping, Phase::Stopped, Phase::Failed})
        CHECK(phases[static_cast<int>(each)] > 100);
}
