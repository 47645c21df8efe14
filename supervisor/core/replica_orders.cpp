// What an order, or another specification, does to a replica.
#include <utility>

#include "supervisor/core/backoff.hpp"
#include "supervisor/core/replica_steps.hpp"
#include "supervisor/core/rolling.hpp"

namespace pmctl::orders {

namespace {

void stop_current(Replica& replica, const StopOrder& order, Now now, Actions& actions) {
    const RunActions what = step(*replica.run, order, now, judged_by(replica).policy);
    actions.signal = what.signal;
}

// The current run by another one, if there is one.
Actions start_anew(Replica& replica, Duration drain, Now now) {
    Actions actions;
    rolling::call_off(replica, false, now, actions);
    if (has_live_run(replica)) {
        stop_current(replica, {.cause = StopCause::Restart, .drain = drain}, now, actions);
        return actions;
    }
    replica.rest = Rest::Waiting;
    actions.start = start_now(replica).start;
    return actions;
}

// A health kind that came or went, a shorter interval: in force from the next check on, which is now.
void apply_health(Replica& replica, const HealthSettings& before, Now now) {
    const HealthSettings& health = judged_by(replica).policy.health;
    if (!has_live_run(replica) || before == health) return;
    Run& run = *replica.run;
    if (run.phase != Phase::Starting && run.phase != Phase::Running && run.phase != Phase::Unhealthy) return;
    if (health.kind == HealthKind::None) {
        if (run.phase != Phase::Running) run.healthy_since = now.steady;
        run.phase = Phase::Running;
        run.was_healthy = true;
        run.deadline = run.next_check = TimePoint::max();
        run.last_check.reset();
        return;
    }
    if (run.phase == Phase::Starting) run.deadline = run.started + health.startup_timeout;
    // One that is under way reports and asks for the next by itself; but none is under way where there were
    // none.
    if (run.next_check != TimePoint::max() || before.kind == HealthKind::None) run.next_check = now.steady;
}

// A start that is due under another restart policy: sooner where that says so, or not at all.
void reconsider_start(Replica& replica, Now now) {
    if (has_live_run(replica) || replica.rest != Rest::Waiting || replica.failures == 0) return;
    const RestartSettings& settings = policy_of(replica).restart;
    if (settings.mode == RestartMode::Never)
        return rest(replica, Rest::AtRest, Phase::Failed, replica.rest_reason);
    const bool was_healthy = replica.run && replica.run->was_healthy;
    const Duration delay = next_start_delay(replica.failures, was_healthy, 0, settings);
    if (now.steady + delay >= replica.next_start) return;
    replica.next_start = now.steady + delay;
    replica.next_start_at = now.wall + delay;
}

// What is under way towards the old text goes; what failed is told so until another process is wanted.
void reconsider_update(Replica& replica, const InstanceSpec& before, Now now, Actions& actions) {
    switch (replica.update.stage) {
        case UpdateStage::None: return;
        case UpdateStage::Failed: break;
        case UpdateStage::Waiting:
        case UpdateStage::Trying:
            // A candidate that is judged by other rules begins anew.
            if (before.process == replica.spec->process && before.policy.health != policy_of(replica).health)
                return rolling::ask(replica, now, actions);
            break;
    }
    if (before.process != replica.spec->process) return rolling::call_off(replica, false, now, actions);
    replica.update.spec = replica.spec;
}

// It runs what is to be replaced, or rests.
Actions replace(Replica& replica, Duration drain, Now now) {
    if (rolling::rolls(replica)) {
        Actions actions;
        rolling::ask(replica, now, actions);
        return actions;
    }
    return start_anew(replica, drain, now);
}

}  // namespace

void rest(Replica& replica, Rest kind, Phase phase, std::string reason) {
    replica.rest = kind;
    replica.rest_phase = phase;
    replica.rest_reason = std::move(reason);
    replica.next_start = TimePoint::max();
    replica.held_by.clear();
}

Actions start_now(Replica& replica) {
    replica.next_start = TimePoint::max();
    return {.start = true};
}

Duration next_try_delay(Replica& replica, StartFault fault, double random) {
    const RestartSettings& settings = policy_of(replica).restart;
    return fault == StartFault::Port ? settings.backoff_initial
                                     : refused_start_delay(++replica.refusals, random, settings);
}

Actions obey(Replica& replica, const StartOrder& order, Now now) {
    replica.wanted = Wanted::Running;
    replica.wanted_reason = order.reason;
    replica.held_by.clear();
    if (has_live_run(replica)) {
        // One that stops is followed by the next.
        if (replica.run->stop_cause == StopCause::Asked) {
            replica.run->stop_cause = StopCause::Restart;
            replica.failures = 0;
        }
        return {};
    }
    Actions actions;
    rolling::call_off(replica, false, now, actions);  // what is configured is asked for
    replica.failures = 0;
    replica.refusals = 0;
    replica.rest = Rest::Waiting;
    actions.start = start_now(replica).start;
    return actions;
}

Actions obey(Replica& replica, const StopReplica& order, Now now) {
    Actions actions;
    replica.wanted = Wanted::Stopped;
    replica.wanted_reason = order.reason;
    rolling::call_off(replica, order.at_once, now, actions);
    if (order.at_once) rolling::end_outgoing_at_once(replica, now, actions);
    if (!has_live_run(replica)) {
        rest(replica, Rest::AtRest, Phase::Stopped, order.reason);
        return actions;
    }
    replica.held_by = order.held_by;
    if (replica.held_by.empty())
        stop_current(replica, {StopCause::Asked, order.at_once, order.drain}, now, actions);
    return actions;
}

Actions obey(Replica& replica, const RestartOrder& order, Now now) {
    const bool serves = replica.wanted == Wanted::Running;
    replica.wanted = Wanted::Running;
    replica.wanted_reason.clear();
    replica.failures = 0;
    replica.refusals = 0;
    if (has_live_run(replica) && replica.run->phase != Phase::Stopping && !order.held_by.empty()) {
        Actions actions;
        rolling::call_off(replica, false, now, actions);
        replica.held_by = order.held_by;
        return actions;
    }
    replica.held_by.clear();
    if (!order.rolling || !serves || !rolling::rolls(replica)) return start_anew(replica, order.drain, now);
    Actions actions;
    rolling::ask(replica, now, actions);
    return actions;
}

Actions obey(Replica& replica, const NewSpec& change, Now now) {
    Actions actions;
    const HealthSettings judged_before =
        replica.spec ? judged_by(replica).policy.health : change.spec->policy.health;
    const SpecPtr before = std::exchange(replica.spec, change.spec);
    if (before) {
        reconsider_update(replica, *before, now, actions);
        apply_health(replica, judged_before, now);
    }
    if (before && before->policy.restart != policy_of(replica).restart) reconsider_start(replica, now);
    // What runs is what is configured: the old text is of no more use.
    if (replica.run_spec && replica.run_spec->process == change.spec->process) replica.run_spec = change.spec;
    if (!change.replace) {
        // At rest under a policy that would not have left it so: it is not to stay there for ever.
        const RestartMode mode = change.spec->policy.restart.mode;
        const bool at_rest =
            replica.wanted == Wanted::Running && !has_live_run(replica) && replica.rest == Rest::AtRest;
        const bool left_so = completed(replica) ? mode != RestartMode::Always : mode == RestartMode::Never;
        if (!at_rest || left_so) return actions;
    }
    // That was tried, or is being tried.
    if (replica.update.stage != UpdateStage::None) return actions;
    replica.failures = 0;
    if (replica.wanted == Wanted::Stopped) return actions;
    Actions next = replace(replica, change.drain, now);
    next.others.insert(next.others.begin(), actions.others.begin(), actions.others.end());
    return next;
}

Actions obey(Replica& replica, const ResetOrder&, Now now) {
    Actions actions;
    replica.failures = 0;
    replica.refusals = 0;
    if (replica.wanted == Wanted::Stopped) {
        if (!has_live_run(replica)) rest(replica, Rest::AtRest, Phase::Stopped, replica.wanted_reason);
        return actions;
    }
    if (replica.update.stage == UpdateStage::Failed) rolling::ask(replica, now, actions);
    if (has_live_run(replica) || completed(replica)) return actions;
    replica.rest = Rest::Waiting;
    actions.start = start_now(replica).start;
    return actions;
}

Actions obey(Replica& replica, const Adopted& found, Now now) {
    Actions actions;
    switch (found.role) {
        case RunRole::Current:
            replica.run = found.run;
            replica.run_spec = found.spec;
            replica.restarts = found.restarts;
            replica.failures = found.failures;
            rest(replica, Rest::AtRest, Phase::Stopped, "");
            break;
        case RunRole::Candidate: rolling::adopt_candidate(replica, found.run, now); break;
        case RunRole::Outgoing: rolling::adopt_outgoing(replica, found.run, now, actions); break;
    }
    return actions;
}

Actions obey(Replica& replica, const Rested& found, Now now) {
    replica.wanted = Wanted::Running;
    replica.wanted_reason.clear();
    replica.restarts = found.restarts;
    replica.failures = found.failures;
    if (found.exit_code) {
        replica.run.emplace();
        replica.run->phase = found.phase;
        replica.run->exit = ExitStatus{ExitStatus::Kind::Code, *found.exit_code};
    }
    rest(replica, found.rest, found.phase, found.reason);
    if (found.rest != Rest::Waiting) return {};
    replica.next_start = now.steady + found.until_start;
    replica.next_start_at = now.wall + found.until_start;
    return found.until_start > Duration::zero() ? Actions{} : start_now(replica);
}

}  // namespace pmctl::orders
