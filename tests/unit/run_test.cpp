#include "supervisor/core/run.hpp"

#include <doctest/doctest.h>

#include <csignal>

using namespace pmctl;
using namespace std::chrono_literals;

namespace {

const TimePoint zero{1000s};

Now at(Duration since) {
    return {zero + since, WallTime(400'000h + since)};
}

Policy policy() {
    Policy policy;
    policy.health.unhealthy_after = 2;
    policy.health.restart_after = 3;
    policy.health.healthy_after = 2;
    policy.health.interval = 5s;
    policy.health.retry_interval = 1s;
    policy.health.startup_timeout = 60s;
    policy.stop_signal = SIGINT;
    policy.stop_timeout = 10s;
    return policy;
}

const GoodOrBad good{{true, "", 1ms}, 0};
const GoodOrBad bad{{false, "HTTP 503", 1ms}, 0};
const GoodOrBad unsure{{false, "cannot check: Too many open files", {}, true}, 0};
const ProcessExited ended{{ExitStatus::Kind::Code, 3}};

// One in each phase, a second old, as events bring it there.
Run in(Phase phase) {
    Run run = begin_run(7, 4242, 30000, at(0s), policy().health);
    const auto tell = [&](const RunEvent& event, Duration when) { step(run, event, at(when), policy()); };
    switch (phase) {
        case Phase::Unknown: run.phase = Phase::Unknown; break;
        case Phase::Starting: break;
        case Phase::Running: tell(good, 500ms); break;
        case Phase::Unhealthy:
            tell(good, 500ms);
            tell(bad, 600ms);
            tell(bad, 700ms);
            break;
        case Phase::Stopping: tell(StopOrder{}, 500ms); break;
        case Phase::Stopped:
            tell(StopOrder{}, 500ms);
            tell(ended, 600ms);
            break;
        case Phase::Failed:  // stop_failed: KILL did not end it
            tell(StopOrder{StopCause::Asked, true}, 500ms - kill_patience);
            tell(DeadlinePassed{}, 500ms);
            break;
    }
    REQUIRE(run.phase == phase);
    return run;
}

struct Cell {
    Phase from;
    RunEvent event;
    Phase to;
    int signal = 0;
};

void check_cells(const std::vector<Cell>& cells, Duration when = 1s) {
    for (const Cell& cell : cells) {
        CAPTURE(to_text(cell.from));
        CAPTURE(cell.event.index());
        Run run = in(cell.from);
        const RunActions actions = step(run, cell.event, at(when), policy());
        CHECK(to_text(run.phase) == to_text(cell.to));
        CHECK(actions.signal == cell.signal);
        CHECK(actions.ended == std::holds_alternative<ProcessExited>(cell.event));
    }
}

}  // namespace

TEST_CASE("an adopted run is not ended because the supervisor cannot check it") {
    Run run = adopt_run(7, 4242, 30000, 1h, true, at(0s), policy().health);
    Duration now = 0s;
    for (int i = 0; i < 100; ++i) {
        now = run.next_check - zero;
        CHECK(step(run, DeadlinePassed{}, at(now), policy()).check);
        step(run, unsure, at(now), policy());
        CHECK(run.phase == Phase::Starting);
    }
    SUBCASE("a good check makes it Running") {
        step(run, good, at(now), policy());
        CHECK(run.phase == Phase::Running);
    }
    SUBCASE("bad ones end it, as always") {
        step(run, bad, at(now), policy());
        CHECK(step(run, DeadlinePassed{}, at(run.deadline - zero), policy()).signal == SIGINT);
        CHECK(run.stop_cause == StopCause::StartTimeout);
    }
}

TEST_CASE(
    "a good check makes a starting run Running, and one that was Unhealthy after healthy_after of them") {
    check_cells({{Phase::Starting, good, Phase::Running},
                 {Phase::Running, good, Phase::Running},
                 {Phase::Unhealthy, good, Phase::Unhealthy},
                 {Phase::Stopping, good, Phase::Stopping},
                 {Phase::Unknown, good, Phase::Unknown},
                 {Phase::Failed, good, Phase::Failed}});
    Run run = in(Phase::Unhealthy);
    step(run, good, at(1s), policy());
    step(run, good, at(2s), policy());
    CHECK(run.phase == Phase::Running);
    CHECK(run.healthy_since == at(2s).steady);
}

TEST_CASE("bad checks count in a row: Unhealthy, then replaced") {
    check_cells({{Phase::Starting, bad, Phase::Starting},
                 {Phase::Running, bad, Phase::Running},
                 {Phase::Unhealthy, bad, Phase::Stopping, SIGINT},
                 {Phase::Stopping, bad, Phase::Stopping},
                 {Phase::Unknown, bad, Phase::Unknown},
                 {Phase::Failed, bad, Phase::Failed}});
    Run run = in(Phase::Running);
    step(run, bad, at(1s), policy());
    step(run, good, at(2s), policy());
    step(run, bad, at(3s), policy());
    CHECK(run.phase == Phase::Running);
    step(run, bad, at(4s), policy());
    CHECK(run.phase == Phase::Unhealthy);
    CHECK_FALSE(run.healthy_since);
    step(run, bad, at(5s), policy());
    CHECK(run.phase == Phase::Stopping);
    CHECK(run.stop_cause == StopCause::Unhealthy);
    CHECK(run.streak.bad == 3);
}

TEST_CASE("a starting run may fail its checks as often as it likes") {
    Run run = in(Phase::Starting);
    for (int i = 0; i < 1000; ++i) step(run, bad, at(1s + i * 1ms), policy());
    CHECK(run.phase == Phase::Starting);
    step(run, good, at(3s), policy());
    CHECK(run.phase == Phase::Running);
    CHECK(run.streak == Streak{1, 0});
}

TEST_CASE("a stop order stops whatever lives") {
    const StopOrder order{StopCause::Asked, false};
    check_cells({{Phase::Unknown, order, Phase::Stopping, SIGINT},
                 {Phase::Starting, order, Phase::Stopping, SIGINT},
                 {Phase::Running, order, Phase::Stopping, SIGINT},
                 {Phase::Unhealthy, order, Phase::Stopping, SIGINT},
                 {Phase::Stopping, order, Phase::Stopping},
                 {Phase::Failed, order, Phase::Failed}});
    const StopOrder at_once{StopCause::Asked, true};
    check_cells({{Phase::Unknown, at_once, Phase::Stopping, SIGKILL},
                 {Phase::Starting, at_once, Phase::Stopping, SIGKILL},
                 {Phase::Running, at_once, Phase::Stopping, SIGKILL},
                 {Phase::Unhealthy, at_once, Phase::Stopping, SIGKILL},
                 {Phase::Stopping, at_once, Phase::Stopping, SIGKILL},
                 {Phase::Failed, at_once, Phase::Failed}});
}

TEST_CASE("an exit is Stopped where it was asked for, else Failed") {
    check_cells({{Phase::Unknown, ended, Phase::Failed},
                 {Phase::Starting, ended, Phase::Failed},
                 {Phase::Running, ended, Phase::Failed},
                 {Phase::Unhealthy, ended, Phase::Failed},
                 {Phase::Stopping, ended, Phase::Stopped},
                 {Phase::Failed, ended, Phase::Failed}});
    Run run = in(Phase::Running);
    step(run, ended, at(2s), policy());
    CHECK(run.exit == ended.status);
    CHECK_FALSE(is_live(run));
    CHECK(next_deadline(run) == TimePoint::max());
    const Run before = run;
    for (const RunEvent& event : {RunEvent(good), RunEvent(bad), RunEvent(StopOrder{}), RunEvent(ended),
                                  RunEvent(DeadlinePassed{})}) {
        const RunActions actions = step(run, event, at(3s), policy());
        CHECK(run == before);
        CHECK_FALSE(actions.ended);
        CHECK(actions.signal == 0);
    }
}

TEST_CASE("a deadline that has not come changes nothing") {
    check_cells({{Phase::Unknown, DeadlinePassed{}, Phase::Unknown},
                 {Phase::Starting, DeadlinePassed{}, Phase::Starting},
                 {Phase::Running, DeadlinePassed{}, Phase::Running},
                 {Phase::Unhealthy, DeadlinePassed{}, Phase::Unhealthy},
                 {Phase::Stopping, DeadlinePassed{}, Phase::Stopping},
                 {Phase::Failed, DeadlinePassed{}, Phase::Failed}});
}

TEST_CASE("startup_timeout ends a start, stop_timeout ends the grace, and what outlives KILL is told") {
    check_cells({{Phase::Starting, DeadlinePassed{}, Phase::Stopping, SIGINT},
                 {Phase::Running, DeadlinePassed{}, Phase::Running},
                 {Phase::Unhealthy, DeadlinePassed{}, Phase::Unhealthy},
                 {Phase::Stopping, DeadlinePassed{}, Phase::Stopping, SIGKILL}},
                60s);
    Run run = in(Phase::Starting);
    step(run, DeadlinePassed{}, at(60s - 1ns), policy());
    CHECK(run.phase == Phase::Starting);
    step(run, DeadlinePassed{}, at(60s), policy());
    CHECK(run.stop_cause == StopCause::StartTimeout);
    CHECK(next_deadline(run) == at(70s).steady);
    CHECK(step(run, DeadlinePassed{}, at(70s - 1ns), policy()).signal == 0);
    CHECK(step(run, DeadlinePassed{}, at(70s), policy()).signal == SIGKILL);
    CHECK(run.stop_stage == StopStage::Killed);
    CHECK(step(run, DeadlinePassed{}, at(70s + kill_patience - 1ns), policy()).signal == 0);
    CHECK(run.phase == Phase::Stopping);
    step(run, DeadlinePassed{}, at(70s + kill_patience), policy());
    CHECK(run.phase == Phase::Failed);
    CHECK(is_live(run));
    CHECK(next_deadline(run) == TimePoint::max());
    CHECK(step(run, ended, at(200s), policy()).ended);
    CHECK(run.phase == Phase::Failed);
}

TEST_CASE("an order while it stops changes what follows and not its grace") {
    Run run = in(Phase::Stopping);
    const TimePoint deadline = run.deadline;
    step(run, StopOrder{StopCause::Restart}, at(5s), policy());
    CHECK(run.stop_cause == StopCause::Restart);
    CHECK(run.deadline == deadline);
    step(run, StopOrder{StopCause::Asked, true}, at(6s), policy());
    CHECK(run.stop_cause == StopCause::Asked);
    CHECK(run.deadline == at(6s).steady + kill_patience);
    CHECK(step(run, StopOrder{StopCause::Asked, true}, at(7s), policy()).signal == 0);
}

TEST_CASE("a check is made when it is due, and only one at a time") {
    Run run = in(Phase::Starting);
    CHECK(next_deadline(run) == at(0s).steady);
    CHECK(step(run, DeadlinePassed{}, at(0s), policy()).check);
    CHECK(next_deadline(run) == run.deadline);
    CHECK_FALSE(step(run, DeadlinePassed{}, at(1s), policy()).check);
    step(run, bad, at(1s), policy());
    CHECK(run.next_check == at(1s).steady + 5ms);
    CHECK_FALSE(step(run, DeadlinePassed{}, at(1s + 4ms), policy()).check);
    CHECK(step(run, DeadlinePassed{}, at(1s + 5ms), policy()).check);
    step(run, good, at(2s), policy());
    CHECK(run.next_check == end_of_slot(at(7s).steady));
    step(run, DeadlinePassed{}, run.next_check == TimePoint{} ? at(0s) : Now{run.next_check, {}}, policy());
    step(run, bad, at(7s), policy());
    CHECK(run.next_check == end_of_slot(at(8s).steady));
    step(run, good, at(8s), policy());
    CHECK(run.next_check == end_of_slot(at(13s).steady));
}

TEST_CASE("a check that could not be made counts for nothing and is made again") {
    for (const Phase phase : {Phase::Starting, Phase::Running, Phase::Unhealthy}) {
        Run run = in(phase);
        const Streak streak = run.streak;
        step(run, unsure, at(1s), policy());
        CHECK(run.phase == phase);
        CHECK(run.streak == streak);
        const TimePoint soon = at(1s).steady + starting_check_delay(run.checks, policy().health);
        CHECK(run.next_check == (phase == Phase::Starting ? soon : end_of_slot(at(2s).steady)));
    }
}

TEST_CASE("the result of a check that was under way when the order came changes nothing") {
    for (const Phase phase : {Phase::Unknown, Phase::Stopping, Phase::Failed}) {
        for (const GoodOrBad& result : {good, bad, unsure}) {
            Run run = in(phase);
            const Run before = run;
            step(run, result, at(1s), policy());
            CHECK(run == before);
        }
    }
}

TEST_CASE("a result that comes after the checks were turned off changes nothing") {
    Policy none = policy();
    none.health.kind = HealthKind::None;
    Run run = in(Phase::Running);
    run.next_check = TimePoint::max();
    const Run before = run;
    step(run, bad, at(1s), none);
    CHECK(run == before);
}

TEST_CASE("without checks a run is healthy from its start") {
    Policy none = policy();
    none.health.kind = HealthKind::None;
    const Run run = begin_run(1, 2, 0, at(0s), none.health);
    CHECK(run.phase == Phase::Running);
    CHECK(run.was_healthy);
    CHECK(run.healthy_since == at(0s).steady);
    CHECK(next_deadline(run) == TimePoint::max());
}

TEST_CASE("ends and signals in words") {
    CHECK(describe({ExitStatus::Kind::Code, 1}) == "exited with 1");
    CHECK(describe({ExitStatus::Kind::Signal, SIGSEGV}) == "killed by SIGSEGV");
    CHECK(describe({ExitStatus::Kind::Signal, 64}) == "killed by signal 64");
    CHECK(describe({}) == "ended, exit status unknown");
    CHECK(signal_number("TERM") == SIGTERM);
    CHECK(signal_number("sigterm") == SIGTERM);
    CHECK(signal_number("15") == 15);
    for (const char* wrong : {"", "0", "65", "-1", "SIG", "SIGSIGTERM", "15 ", "TERMX", "1x"}) {
        CAPTURE(wrong);
        CHECK_FALSE(signal_number(wrong));
    }
    for (int number = 1; number <= 31; ++number) CHECK(signal_number(signal_name(number)) == number);
}
