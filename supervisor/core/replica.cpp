#include "supervisor/core/replica.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "supervisor/core/backoff.hpp"
#include "supervisor/core/replica_steps.hpp"
#include "supervisor/core/rolling.hpp"

namespace pmctl {

namespace {

using orders::policy_of;
using orders::rest;
using orders::start_now;

void wait_for_start(Replica& replica, Duration delay, Now now) {
    replica.next_start = now.steady + delay;
    replica.next_start_at = now.wall + delay;
}

Actions failed(Replica& replica, std::string reason, bool was_healthy, Now now, double random) {
    const RestartSettings& settings = policy_of(replica).restart;
    ++replica.failures;
    if (settings.mode == RestartMode::Never) {
        rest(replica, Rest::AtRest, Phase::Failed, std::move(reason));
        return {};
    }
    const Duration delay = next_start_delay(replica.failures, was_healthy, random, settings);
    rest(replica, Rest::Waiting, Phase::Failed, std::move(reason));
    ++replica.restarts;
    wait_for_start(replica, delay, now);
    return delay == Duration::zero() ? start_now(replica) : Actions{};
}

std::string end_in_words(const Replica& replica, const Exited& end) {
    std::string text = describe(end.status);
    if (!end.note.empty()) text += ": " + end.note;
    if (!replica.run->stop_cause) return text;
    const Run& run = *replica.run;
    const std::string last =
        run.last_check && !run.last_check->result.ok ? ": " + run.last_check->result.error : "";
    switch (*run.stop_cause) {
        case StopCause::StartTimeout:
            return "not healthy within " + format_duration(judged_by(replica).policy.health.startup_timeout) +
                   last;
        case StopCause::Unhealthy:
            return std::to_string(run.streak.bad) +
                   (run.streak.bad == 1 ? " failed check" : " failed checks") + " in a row" + last;
        case StopCause::Asked:
        case StopCause::Restart: return text;
    }
    return text;
}

// Healthy for long enough: the count starts anew. Asked before each event of a run, since what ends its
// health (a failed check, an order) forgets how long it lasted.
void forgive_if_stable(Replica& replica, Now now) {
    if (!has_live_run(replica) || !replica.run->healthy_since) return;
    if (now.steady - *replica.run->healthy_since >= policy_of(replica).restart.reset_after)
        replica.failures = 0;
}

Actions after_exit(Replica& replica, const Exited& end, Now now, double random) {
    const Run& run = *replica.run;
    const RestartSettings& settings = policy_of(replica).restart;
    std::string words = end_in_words(replica, end);

    if (replica.wanted == Wanted::Stopped) {
        rest(replica, Rest::AtRest, Phase::Stopped, replica.wanted_reason);
        return {.ended = true};
    }
    const bool ordered = run.stop_cause == StopCause::Restart || run.stop_cause == StopCause::Asked;
    const bool stolen = end.port_stolen && !run.was_healthy;
    replica.ports_lost = stolen ? replica.ports_lost + 1 : 0;
    Actions actions;
    actions.another_port = stolen;
    if (ordered) {
        rest(replica, Rest::Waiting, Phase::Stopped, "restarted");
        actions.start = start_now(replica).start;
    } else if (stolen && replica.ports_lost <= max_ports_lost && settings.mode != RestartMode::Never) {
        rest(replica, Rest::Waiting, Phase::Failed, words);
        ++replica.restarts;
        actions.start = start_now(replica).start;
    } else if (!run.stop_cause && end.status == ExitStatus{ExitStatus::Kind::Code, 0} &&
               settings.mode != RestartMode::Always) {
        rest(replica, Rest::AtRest, Phase::Stopped, words);
    } else {
        actions.start = failed(replica, std::move(words), run.was_healthy, now, random).start;
    }
    actions.ended = true;
    return actions;
}

bool is_current(const Replica& replica, RunNumber run) {
    return has_live_run(replica) && (run == 0 || replica.run->number == run);
}

Actions of_run(const RunActions& actions) {
    return {.signal = actions.signal, .check = actions.check, .ended = actions.ended};
}

template <class Order>
    requires orders::IsOrder<Order>
Actions on(Replica& replica, const Order& order, Now now, double) {
    return orders::obey(replica, order, now);
}

Actions on(Replica& replica, const UpdateTurn&, Now now, double) {
    Actions actions;
    if (replica.update.stage == UpdateStage::Waiting) rolling::take_turn(replica, now, actions);
    return actions;
}

Actions on(Replica& replica, const UpdateHeld& held, Now, double) {
    if (replica.update.stage == UpdateStage::Waiting) replica.update.reason = held.by;
    return {};
}

Actions on(Replica& replica, const UpdateCalledOff& end, Now now, double) {
    Actions actions;
    if (replica.update.stage == UpdateStage::Waiting) rolling::fail(replica, end.reason, now, actions);
    return actions;
}

Actions on(Replica& replica, const Unrouted& left, Now now, double) {
    Actions actions;
    if (has_live_run(replica) && replica.run->number == left.run)
        return of_run(step(*replica.run, RoutesLeft{left.by}, now, judged_by(replica).policy));
    rolling::unrouted(replica, left, now, actions);
    return actions;
}

Actions on(Replica& replica, const MayStart&, Now, double) {
    Actions actions;
    if (replica.wanted == Wanted::Stopped) return actions;
    rolling::may_start(replica, actions);
    const bool waits = replica.rest == Rest::Blocked || replica.rest == Rest::NoPort;
    if (!has_live_run(replica) && waits) actions.start = start_now(replica).start;
    return actions;
}

Actions on(Replica& replica, const Blocked& gate, Now, double) {
    rest(replica, Rest::Blocked, Phase::Stopped, "waits for " + gate.on);
    return {};
}

Actions on(Replica& replica, const NoPort& lack, Now now, double) {
    if (lack.slot == Slot::Candidate) {
        rolling::no_port(replica, lack, now);
        return {};
    }
    rest(replica, Rest::NoPort, Phase::Failed, lack.message);
    wait_for_start(replica, policy_of(replica).restart.backoff_max, now);
    return {};
}

Actions on(Replica& replica, const Spawned& child, Now now, double) {
    Actions actions;
    replica.refusals = 0;
    if (child.slot == Slot::Candidate) {
        rolling::spawned(replica, child, now, actions);
        return actions;
    }
    replica.run_spec = next_spec(replica);
    replica.run = begin_run(child.run, child.pid, child.port, now, replica.run_spec->policy.health);
    rest(replica, Rest::AtRest, Phase::Stopped, "");
    return actions;
}

Actions on(Replica& replica, const SpawnFailed& failure, Now now, double random) {
    Actions actions;
    if (failure.slot == Slot::Candidate) {
        rolling::not_spawned(replica, failure, random, now, actions);
        return actions;
    }
    const RestartSettings& settings = policy_of(replica).restart;
    const bool goes_on = failure.fault == StartFault::Port ||
                         (failure.fault == StartFault::Machine && settings.mode != RestartMode::Never);
    if (!goes_on) return failed(replica, failure.message, false, now, random);
    rest(replica, Rest::Waiting, Phase::Failed, failure.message);
    wait_for_start(replica, orders::next_try_delay(replica, failure.fault, random), now);
    return actions;
}

Actions on(Replica& replica, const Checked& check, Now now, double random) {
    if (replica.candidate && check.run == replica.candidate->number) {
        Actions actions;
        rolling::checked(replica, check.result, random, now, actions);
        return actions;
    }
    if (!is_current(replica, check.run)) return {};
    forgive_if_stable(replica, now);
    if (check.result.ok) replica.ports_lost = 0;
    return of_run(step(*replica.run, GoodOrBad{check.result, random}, now, judged_by(replica).policy));
}

Actions on(Replica& replica, const Exited& end, Now now, double random) {
    Actions actions;
    if (replica.candidate && end.run == replica.candidate->number) {
        rolling::exited(replica, end, now, actions);
        return actions;
    }
    if (!is_current(replica, end.run)) {
        rolling::outgoing_exited(replica, end, now, actions);
        return actions;
    }
    forgive_if_stable(replica, now);
    step(*replica.run, ProcessExited{end.status}, now, judged_by(replica).policy);
    return after_exit(replica, end, now, random);
}

Actions on(Replica& replica, const Woke&, Now now, double) {
    Actions actions;
    if (has_live_run(replica)) {
        actions = of_run(step(*replica.run, DeadlinePassed{}, now, judged_by(replica).policy));
    } else if (replica.next_start != TimePoint::max() && now.steady >= replica.next_start) {
        actions = start_now(replica);
    }
    rolling::woke(replica, now, actions);
    return actions;
}

}  // namespace

bool has_live_run(const Replica& replica) {
    return replica.run && is_live(*replica.run);
}

bool has_process(const Replica& replica) {
    return has_live_run(replica) || replica.candidate || !replica.outgoing.empty();
}

bool may_end(const Replica& replica) {
    const auto ends = [](const Run& run) { return run.phase != Phase::Failed; };
    return (has_live_run(replica) && ends(*replica.run)) || replica.candidate ||
           std::any_of(replica.outgoing.begin(), replica.outgoing.end(), ends);
}

const Run* find_run(const Replica& replica, RunNumber run) {
    if (is_current(replica, run)) return &*replica.run;
    if (replica.candidate && replica.candidate->number == run) return &*replica.candidate;
    for (const Run& each : replica.outgoing) {
        if (each.number == run) return &each;
    }
    return nullptr;
}

const SpecPtr& next_spec(const Replica& replica) {
    return replica.update.stage == UpdateStage::None || !replica.run_spec ? replica.spec : replica.run_spec;
}

Phase phase_of(const Replica& replica) {
    if (has_live_run(replica)) return replica.run->phase;
    const bool leaves = replica.wanted == Wanted::Stopped && has_process(replica);
    return leaves ? Phase::Stopping : replica.rest_phase;
}

bool runs_old_spec(const Replica& replica) {
    return has_live_run(replica) && replica.run_spec != replica.spec &&
           (!replica.run_spec || replica.run_spec->process != replica.spec->process);
}

const InstanceSpec& judged_by(const Replica& replica) {
    return replica.run_spec && runs_old_spec(replica) ? *replica.run_spec : *replica.spec;
}

bool completed(const Replica& replica) {
    return !has_live_run(replica) && replica.wanted == Wanted::Running && replica.rest == Rest::AtRest &&
           replica.rest_phase == Phase::Stopped && replica.run &&
           replica.run->exit == ExitStatus{ExitStatus::Kind::Code, 0};
}

Actions step(Replica& replica, const ReplicaEvent& event, Now now, double random) {
    return std::visit([&](const auto& what) { return on(replica, what, now, random); }, event);
}

TimePoint next_deadline(const Replica& replica) {
    const TimePoint current = has_live_run(replica) ? next_deadline(*replica.run) : replica.next_start;
    return std::min(current, rolling::next_deadline(replica));
}

std::string broken_invariant(const Replica& replica) {
    const bool live = has_live_run(replica);
    if (!replica.spec) return "there is no specification";
    if (live && replica.next_start != TimePoint::max()) return "a start is due while a run is live";
    if (live && replica.rest != Rest::AtRest) return "it rests while a run is live";
    if (live && replica.run->phase == Phase::Stopped) return "a live run is Stopped";
    if (live && replica.run->phase == Phase::Running && !replica.run->healthy_since) {
        return "a Running run has not been healthy";
    }
    if (live && replica.run->phase == Phase::Stopping && replica.run->deadline == TimePoint::max()) {
        return "a Stopping run has no deadline";
    }
    if (live && replica.run->phase == Phase::Stopping && replica.run->next_check != TimePoint::max()) {
        return "a Stopping run is to be checked";
    }
    if (!has_process(replica) && replica.wanted == Wanted::Stopped &&
        next_deadline(replica) != TimePoint::max()) {
        return "a stopped replica has a deadline";
    }
    if (!live && replica.rest == Rest::Waiting && replica.next_start == TimePoint::max()) {
        return "it waits for a start that is never due";
    }
    if (!live && replica.rest_phase != Phase::Stopped && replica.rest_phase != Phase::Failed) {
        return "it rests in a phase of a live run";
    }
    if (!live && !replica.held_by.empty()) return "what does not run is held";
    return rolling::broken_invariant(replica);
}

}  // namespace pmctl
