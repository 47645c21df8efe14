#include "supervisor/core/tally.hpp"

namespace pmctl {

namespace {

RestartCause cause_of(const Replica& replica, const ReplicaEvent& event) {
    const auto* end = std::get_if<Exited>(&event);
    if (end == nullptr) return RestartCause::Spawn;
    if (end->port_stolen) return RestartCause::PortTaken;
    if (replica.run && replica.run->stop_cause == StopCause::StartTimeout) return RestartCause::StartTimeout;
    if (replica.run && replica.run->stop_cause == StopCause::Unhealthy) return RestartCause::Checks;
    return end->status.kind == ExitStatus::Kind::Signal ? RestartCause::Signal : RestartCause::Exit;
}

}  // namespace

std::string_view to_text(RestartCause cause) {
    switch (cause) {
        case RestartCause::Exit: return "exit";
        case RestartCause::Signal: return "signal";
        case RestartCause::Checks: return "failed_checks";
        case RestartCause::StartTimeout: return "start_timeout";
        case RestartCause::Spawn: return "spawn_failed";
        case RestartCause::PortTaken: return "port_taken";
    }
    return "";
}

Duration wanted_until(const Tally& tally, TimePoint now) {
    return tally.wanted + (tally.is_wanted ? now - tally.since : Duration::zero());
}

Duration served_until(const Tally& tally, TimePoint now) {
    return tally.served + (tally.serves ? now - tally.since : Duration::zero());
}

Counted count_event(Tally& tally, Totals& totals, const Replica& replica, const ReplicaEvent& event,
                    Phase before, std::uint64_t restarts_before, Now now) {
    if (const auto* check = std::get_if<Checked>(&event); check != nullptr && !check->result.inconclusive) {
        ++(check->result.ok ? tally.good_checks : tally.bad_checks);
        totals.check_latency.add(check->result.latency);
    }
    const bool restarts = replica.restarts > restarts_before;
    if (restarts) ++tally.restarts.at(static_cast<std::size_t>(cause_of(replica, event)));
    const Phase phase = phase_of(replica);
    Counted counted;
    counted.failed = restarts || (phase == Phase::Failed && before != Phase::Failed);
    if (phase != before) ++tally.transitions.at(static_cast<std::size_t>(phase));

    // One that has done what it had to is not missed.
    const bool is_wanted = replica.wanted == Wanted::Running && !completed(replica);
    const bool serves = is_wanted && phase == Phase::Running;
    if (is_wanted == tally.is_wanted && serves == tally.serves) return counted;
    tally.wanted = wanted_until(tally, now.steady);
    tally.served = served_until(tally, now.steady);
    const bool was_serving = tally.serves;
    tally.since = now.steady;
    tally.is_wanted = is_wanted;
    tally.serves = serves;
    if (serves && tally.lost_at != TimePoint{}) totals.recovery.add(now.steady - tally.lost_at);
    if (serves || !is_wanted) tally.lost_at = TimePoint{};
    if (was_serving && !serves && is_wanted) tally.lost_at = now.steady;
    counted.now = serves ? MarkKind::Serves : is_wanted ? MarkKind::Missed : MarkKind::NotWanted;
    return counted;
}

}  // namespace pmctl
