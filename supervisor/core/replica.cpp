#include "supervisor/core/replica.hpp"

#include <csignal>
#include <utility>

#include "supervisor/core/backoff.hpp"

namespace pmctl {

namespace {

Policy const& policy_of(const Replica& replica) {
    return replica.spec->policy;
}

void rest(Replica& replica, Rest kind, Phase phase, std::string reason) {
    replica.rest = kind;
    replica.rest_phase = phase;
    replica.rest_reason = std::move(reason);
    replica.next_start = TimePoint::max();
    replica.held_by.clear();
}

void wait_for_start(Replica& replica, Duration delay, Now now) {
    replica.next_start = now.steady + delay;
    replica.next_start_at = now.wall + delay;
}

// Due now: the Supervisor is asked to start it, and answers.
Actions start_now(Replica& replica) {
    replica.next_start = TimePoint::max();
    return {.start = true};
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
            return "not healthy within " + format_duration(policy_of(replica).health.startup_timeout) + last;
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

Actions of_run(const RunActions& actions) {
    return {.signal = actions.signal, .check = actions.check, .ended = actions.ended};
}

Actions on(Replica& replica, const StartOrder& order, Now, double) {
    replica.wanted = Wanted::Running;
    replica.wanted_reason = order.reason;
    replica.held_by.clear();
    if (has_live_run(replica)) return {};  // one that stops is followed by the next
    replica.failures = 0;
    replica.rest = Rest::Waiting;
    return start_now(replica);
}

Actions on(Replica& replica, const StopReplica& order, Now now, double) {
    replica.wanted = Wanted::Stopped;
    replica.wanted_reason = order.reason;
    if (!has_live_run(replica)) {
        rest(replica, Rest::AtRest, Phase::Stopped, order.reason);
        return {};
    }
    replica.held_by = order.held_by;
    if (!order.held_by.empty()) return {};
    return of_run(step(*replica.run, StopOrder{StopCause::Asked, order.at_once}, now, policy_of(replica)));
}

Actions on(Replica& replica, const RestartOrder&, Now now, double) {
    replica.wanted = Wanted::Running;
    replica.wanted_reason.clear();
    replica.held_by.clear();
    replica.failures = 0;
    if (has_live_run(replica))
        return of_run(step(*replica.run, StopOrder{StopCause::Restart}, now, policy_of(replica)));
    replica.rest = Rest::Waiting;
    return start_now(replica);
}

// A health kind that came or went, a shorter interval: in force from the next check on, which is now.
void apply_policy(Replica& replica, const Policy& before, Now now) {
    if (!has_live_run(replica) || before.health == policy_of(replica).health) return;
    Run& run = *replica.run;
    if (run.phase != Phase::Starting && run.phase != Phase::Running && run.phase != Phase::Unhealthy) return;
    const HealthSettings& health = policy_of(replica).health;
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
    if (run.next_check != TimePoint::max() || before.health.kind == HealthKind::None)
        run.next_check = now.steady;
}

Actions on(Replica& replica, const NewSpec& change, Now now, double) {
    const SpecPtr before = std::exchange(replica.spec, change.spec);
    if (before) apply_policy(replica, before->policy, now);
    // What runs is what is configured: the old text is of no more use.
    if (replica.run_spec && replica.run_spec->process == change.spec->process) replica.run_spec = change.spec;
    if (!change.replace) {
        // At rest under a policy that would not have left it so: it is not to stay there for ever.
        const RestartMode mode = change.spec->policy.restart.mode;
        const bool at_rest =
            replica.wanted == Wanted::Running && !has_live_run(replica) && replica.rest == Rest::AtRest;
        const bool left_so = completed(replica) ? mode != RestartMode::Always : mode == RestartMode::Never;
        if (!at_rest || left_so) return {};
    }
    replica.failures = 0;
    if (replica.wanted == Wanted::Stopped) return {};
    if (has_live_run(replica))
        return of_run(step(*replica.run, StopOrder{StopCause::Restart}, now, policy_of(replica)));
    replica.rest = Rest::Waiting;
    return start_now(replica);
}

Actions on(Replica& replica, const ResetOrder&, Now, double) {
    replica.failures = 0;
    if (has_live_run(replica) || replica.wanted == Wanted::Stopped) {
        if (!has_live_run(replica)) rest(replica, Rest::AtRest, Phase::Stopped, replica.wanted_reason);
        return {};
    }
    if (completed(replica)) return {};
    replica.rest = Rest::Waiting;
    return start_now(replica);
}

Actions on(Replica& replica, const MayStart&, Now, double) {
    const bool waits = replica.rest == Rest::Blocked || replica.rest == Rest::NoPort;
    if (has_live_run(replica) || replica.wanted == Wanted::Stopped || !waits) return {};
    return start_now(replica);
}

Actions on(Replica& replica, const Blocked& gate, Now, double) {
    rest(replica, Rest::Blocked, Phase::Stopped, "waits for " + gate.on);
    return {};
}

Actions on(Replica& replica, const NoPort& lack, Now now, double) {
    rest(replica, Rest::NoPort, Phase::Failed, lack.message);
    wait_for_start(replica, policy_of(replica).restart.backoff_max, now);
    return {};
}

Actions on(Replica& replica, const Spawned& child, Now now, double) {
    replica.run = begin_run(child.run, child.pid, child.port, now, policy_of(replica).health);
    replica.run_spec = replica.spec;
    rest(replica, Rest::AtRest, Phase::Stopped, "");
    return {};
}

Actions on(Replica& replica, const SpawnFailed& failure, Now now, double random) {
    if (!failure.transient) return failed(replica, failure.message, false, now, random);
    rest(replica, Rest::Waiting, Phase::Failed, failure.message);
    wait_for_start(replica, policy_of(replica).restart.backoff_initial, now);
    return {};
}

Actions on(Replica& replica, const Checked& check, Now now, double random) {
    if (!has_live_run(replica)) return {};
    forgive_if_stable(replica, now);
    if (check.result.ok) replica.ports_lost = 0;
    return of_run(step(*replica.run, GoodOrBad{check.result, random}, now, policy_of(replica)));
}

Actions on(Replica& replica, const Exited& end, Now now, double random) {
    if (!has_live_run(replica)) return {};
    forgive_if_stable(replica, now);
    step(*replica.run, ProcessExited{end.status}, now, policy_of(replica));
    return after_exit(replica, end, now, random);
}

Actions on(Replica& replica, const Woke&, Now now, double) {
    if (has_live_run(replica)) return of_run(step(*replica.run, DeadlinePassed{}, now, policy_of(replica)));
    const bool due = replica.next_start != TimePoint::max() && now.steady >= replica.next_start;
    return due ? start_now(replica) : Actions{};
}

}  // namespace

bool has_live_run(const Replica& replica) {
    return replica.run && is_live(*replica.run);
}

Phase phase_of(const Replica& replica) {
    return has_live_run(replica) ? replica.run->phase : replica.rest_phase;
}

bool runs_old_spec(const Replica& replica) {
    return has_live_run(replica) && replica.run_spec != replica.spec &&
           replica.run_spec->process != replica.spec->process;
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
    return has_live_run(replica) ? next_deadline(*replica.run) : replica.next_start;
}

std::string broken_invariant(const Replica& replica) {
    const bool live = has_live_run(replica);
    if (!replica.spec) return "there is no specification";
    if (live && replica.next_start != TimePoint::max()) return "a start is due while a run is live";
    if (live && replica.rest != Rest::AtRest) return "it rests while a run is live";
    if (live && !replica.run_spec) return "a live run has no specification of its own";
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
    if (!live && replica.wanted == Wanted::Stopped && next_deadline(replica) != TimePoint::max()) {
        return "a stopped replica has a deadline";
    }
    if (!live && replica.rest == Rest::Waiting && replica.next_start == TimePoint::max()) {
        return "it waits for a start that is never due";
    }
    if (!live && replica.rest_phase != Phase::Stopped && replica.rest_phase != Phase::Failed) {
        return "it rests in a phase of a live run";
    }
    if (replica.wanted == Wanted::Running && !replica.held_by.empty())
        return "a stop that nobody wants is held";
    return "";
}

}  // namespace pmctl
