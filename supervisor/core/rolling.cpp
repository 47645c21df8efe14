#include "supervisor/core/rolling.hpp"

#include <algorithm>
#include <utility>

#include "supervisor/core/replica_steps.hpp"

namespace pmctl::rolling {

namespace {

void add(Actions& actions, RunNumber run, const RunActions& what) {
    if (what.signal != 0 || what.check || what.ended) actions.others.push_back({run, what});
}

// It is told to end, if it is not ending already, and nothing follows its end.
void send_out(Replica& replica, Run run, const StopOrder& order, const Policy& policy, Now now,
              Actions& actions) {
    add(actions, run.number, step(run, order, now, policy));
    replica.outgoing.push_back(std::move(run));
}

void drop_candidate(Replica& replica, bool at_once, Now now, Actions& actions) {
    if (!replica.candidate) return;
    Run candidate = *std::exchange(replica.candidate, std::nullopt);
    send_out(replica, std::move(candidate), {.cause = StopCause::Asked, .at_once = at_once},
             replica.spec->policy, now, actions);
}

// The one step in which the route moves.
void take_over(Replica& replica, Now now, Actions& actions) {
    if (has_live_run(replica)) {
        // One that shares its socket would take connections as long as it is not told to end.
        const bool shares = replica.run->port != 0 && replica.run->port == replica.candidate->port;
        const StopOrder order{.cause = StopCause::Asked,
                              .drain = shares ? Duration::zero() : replica.spec->policy.update.drain};
        const Policy& policy = judged_by(replica).policy;
        send_out(replica, std::move(*replica.run), order, policy, now, actions);
    }
    replica.run = std::exchange(replica.candidate, std::nullopt);
    replica.run_spec = replica.update.spec;
    replica.update = {};
    replica.rest = Rest::AtRest;
    replica.rest_phase = Phase::Stopped;
    replica.rest_reason.clear();
    replica.next_start = TimePoint::max();
    replica.failures = replica.ports_lost = 0;
}

void start_candidate(Replica& replica, Actions& actions) {
    replica.update.next_try = TimePoint::max();
    replica.update.reason.clear();
    actions.start_candidate = true;
}

bool may_be_trusted(const Replica& replica) {
    return replica.candidate && replica.spec->policy.health.kind == HealthKind::None;
}

std::string last_check_of(const Run& run) {
    return run.last_check && !run.last_check->result.ok ? ": " + run.last_check->result.error : "";
}

}  // namespace

bool share_socket(const InstanceSpec& running, const InstanceSpec& next) {
    const bool kept = running.process.socket_activation && next.process.socket_activation;
    const HealthKind check = next.policy.health.kind;
    return kept && next.process.port.kind == PortWish::Kind::Fixed &&
           running.process.port == next.process.port &&
           (check == HealthKind::Http || check == HealthKind::None);
}

bool rolls(const Replica& replica) {
    if (!has_live_run(replica)) return false;
    const bool has_place = replica.spec->process.port.kind == PortWish::Kind::Auto ||
                           (replica.run_spec && share_socket(*replica.run_spec, *replica.spec));
    if (!has_place) return false;
    // One that was found running serves, and is only not known yet to do so.
    const bool serves = replica.run->phase == Phase::Running ||
                        (replica.run->phase == Phase::Starting && replica.run->was_healthy);
    return replica.spec->policy.update.strategy == UpdateStrategy::Rolling && serves;
}

void ask(Replica& replica, Now now, Actions& actions) {
    drop_candidate(replica, false, now, actions);
    replica.update = {.stage = UpdateStage::Waiting, .spec = replica.spec};
    actions.wants_turn = true;
}

void call_off(Replica& replica, bool at_once, Now now, Actions& actions) {
    drop_candidate(replica, at_once, now, actions);
    replica.update = {};
}

void fail(Replica& replica, std::string reason, Now now, Actions& actions) {
    drop_candidate(replica, false, now, actions);
    replica.update = {.stage = UpdateStage::Failed, .spec = replica.update.spec, .reason = std::move(reason)};
}

void take_turn(Replica& replica, Now now, Actions& actions) {
    replica.update.stage = UpdateStage::Trying;
    replica.update.deadline = now.steady + replica.spec->policy.update.timeout;
    start_candidate(replica, actions);
}

void spawned(Replica& replica, const Spawned& child, Now now, Actions& actions) {
    replica.candidate = begin_run(child.run, child.pid, child.port, now, replica.spec->policy.health);
    // It was called off while it was being started.
    if (replica.update.stage != UpdateStage::Trying) return drop_candidate(replica, false, now, actions);
    if (may_be_trusted(replica)) replica.update.deadline = now.steady + candidate_trial;
}

void not_spawned(Replica& replica, const SpawnFailed& failure, double random, Now now, Actions& actions) {
    if (replica.update.stage != UpdateStage::Trying) return;
    if (failure.fault == StartFault::Own) return fail(replica, failure.message, now, actions);
    replica.update.reason = failure.message;
    replica.update.next_try = now.steady + orders::next_try_delay(replica, failure.fault, random);
}

void no_port(Replica& replica, const NoPort& lack, Now now) {
    if (replica.update.stage != UpdateStage::Trying) return;
    replica.update.reason = lack.message;
    replica.update.next_try = now.steady + replica.spec->policy.restart.backoff_max;
}

void may_start(Replica& replica, Actions& actions) {
    const bool waits = replica.update.stage == UpdateStage::Trying && !replica.candidate &&
                       replica.update.next_try != TimePoint::max();
    if (waits) start_candidate(replica, actions);
}

void checked(Replica& replica, const CheckResult& result, double random, Now now, Actions& actions) {
    Run& candidate = *replica.candidate;
    const RunActions what = step(candidate, GoodOrBad{result, random}, now, replica.spec->policy);
    add(actions, candidate.number, what);
    if (candidate.phase == Phase::Running) take_over(replica, now, actions);
}

void exited(Replica& replica, const Exited& end, Now now, Actions& actions) {
    Run candidate = *std::exchange(replica.candidate, std::nullopt);
    add(actions, candidate.number, step(candidate, ProcessExited{end.status}, now, replica.spec->policy));
    if (end.port_stolen && ++replica.update.ports_lost <= max_ports_lost) {
        start_candidate(replica, actions);
        return;
    }
    std::string words = "the new process (pid " + std::to_string(candidate.pid) + ") " + describe(end.status);
    if (!end.note.empty()) words += ": " + end.note;
    fail(replica, words + " before it was healthy" + last_check_of(candidate), now, actions);
}

void woke(Replica& replica, Now now, Actions& actions) {
    std::vector<Run>& outgoing = replica.outgoing;
    for (Run& run : outgoing)
        add(actions, run.number, step(run, DeadlinePassed{}, now, replica.spec->policy));
    Update& update = replica.update;
    if (now.steady >= update.deadline) {
        if (may_be_trusted(replica)) return take_over(replica, now, actions);
        const std::string wait = format_duration(replica.spec->policy.update.timeout);
        const std::string why = replica.candidate ? last_check_of(*replica.candidate)
                                                  : (update.reason.empty() ? "" : ": " + update.reason);
        return fail(replica, "not healthy within " + wait + why, now, actions);
    }
    if (now.steady >= update.next_try) return start_candidate(replica, actions);
    if (!replica.candidate) return;
    Run& candidate = *replica.candidate;
    const RunActions what = step(candidate, DeadlinePassed{}, now, replica.spec->policy);
    add(actions, candidate.number, what);
    if (candidate.phase != Phase::Stopping) return;
    const std::string wait = format_duration(replica.spec->policy.health.startup_timeout);
    fail(replica, "not healthy within " + wait + last_check_of(candidate), now, actions);
}

TimePoint next_deadline(const Replica& replica) {
    TimePoint next = std::min(replica.update.deadline, replica.update.next_try);
    if (replica.candidate) next = std::min(next, pmctl::next_deadline(*replica.candidate));
    for (const Run& run : replica.outgoing) next = std::min(next, pmctl::next_deadline(run));
    return next;
}

void adopt_candidate(Replica& replica, Run run, Now now) {
    replica.update = {.stage = UpdateStage::Trying,
                      .spec = replica.spec,
                      .deadline = now.steady + replica.spec->policy.update.timeout};
    replica.candidate = std::move(run);
    if (may_be_trusted(replica)) replica.update.deadline = now.steady + candidate_trial;
}

void adopt_outgoing(Replica& replica, Run run, Now now, Actions& actions) {
    send_out(replica, std::move(run), {.cause = StopCause::Asked}, replica.spec->policy, now, actions);
}

void outgoing_exited(Replica& replica, const Exited& end, Now now, Actions& actions) {
    const auto run = std::find_if(replica.outgoing.begin(), replica.outgoing.end(),
                                  [&](const Run& each) { return each.number == end.run; });
    if (run == replica.outgoing.end()) return;
    add(actions, run->number, step(*run, ProcessExited{end.status}, now, replica.spec->policy));
    replica.outgoing.erase(run);
}

void unrouted(Replica& replica, const Unrouted& left, Now now, Actions& actions) {
    for (Run& run : replica.outgoing) {
        if (run.number == left.run)
            add(actions, run.number, step(run, RoutesLeft{left.by}, now, replica.spec->policy));
    }
}

void end_outgoing_at_once(Replica& replica, Now now, Actions& actions) {
    for (Run& run : replica.outgoing)
        add(actions, run.number,
            step(run, StopOrder{.cause = StopCause::Asked, .at_once = true}, now, replica.spec->policy));
}

std::string broken_invariant(const Replica& replica) {
    const Update& update = replica.update;
    const bool trying = update.stage == UpdateStage::Trying;
    if (replica.candidate && !trying) return "there is a candidate and no update";
    if (replica.candidate && !is_live(*replica.candidate)) return "the candidate has ended";
    if (replica.candidate && replica.candidate->phase == Phase::Stopping) return "the candidate stops";
    if (trying && update.deadline == TimePoint::max()) return "an update may take for ever";
    if (!trying && update.deadline != TimePoint::max()) return "what is not tried has a deadline";
    if ((update.stage == UpdateStage::None) != (update.spec == nullptr))
        return "an update and what it brings do not go together";
    if (update.stage != UpdateStage::None && replica.wanted == Wanted::Stopped)
        return "what is to be stopped is updated";
    for (const Run& run : replica.outgoing) {
        if (!is_live(run)) return "a run that has ended is on its way out";
        if (run.phase != Phase::Stopping && run.phase != Phase::Failed)
            return "a run is on its way out and is not told to stop";
        if (replica.run && replica.run->number == run.number) return "a run is here twice";
    }
    return "";
}

}  // namespace pmctl::rolling
