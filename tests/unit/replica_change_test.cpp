#include "supervisor/core/replica.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <random>

#include "supervisor/core/backoff.hpp"
#include "tests/unit/replica_story.hpp"

using namespace pmctl;
using namespace pmctl::test;

TEST_CASE("a changed process is replaced, wherever the change meets it") {
    InstanceSpec changed = service("web");
    changed.process.command = {"/srv/new"};
    changed.policy.update.strategy = UpdateStrategy::Recreate;
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

TEST_CASE(
    "what runs is judged and stopped by what it was started from, as long as another process is configured") {
    InstanceSpec old = service("web");
    old.policy.health.kind = HealthKind::None;
    old.policy.stop_signal = SIGINT;
    InstanceSpec next = service("web");
    next.process.command = {"/srv/new"};
    next.policy.health.path = "/new";
    Story story(old);
    story.start_healthy();
    REQUIRE(story.phase() == Phase::Running);
    story.tell(NewSpec{shared(next), true});  // a candidate is to come first
    CHECK(runs_old_spec(story.replica));
    CHECK(judged_by(story.replica).policy == old.policy);
    CHECK(story.replica.run->next_check == TimePoint::max());
    for (int i = 0; i < 10; ++i) story.tell(Checked{bad});
    CHECK(story.phase() == Phase::Running);
    // Changed back, and with a check of its own: that is its own then.
    InstanceSpec checked = old;
    checked.policy.health = next.policy.health;
    story.tell(NewSpec{shared(checked), false});
    CHECK(judged_by(story.replica).policy == checked.policy);
    CHECK(story.replica.run->next_check != TimePoint::max());
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
            if (dice(8) == 0) reply = SpawnFailed{"chdir", static_cast<StartFault>(dice(3))};
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
