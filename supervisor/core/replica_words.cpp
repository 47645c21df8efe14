// What is said of a replica to people: the words of replica.hpp.
#include <algorithm>

#include "supervisor/core/backoff.hpp"
#include "supervisor/core/replica.hpp"

namespace pmctl {

namespace {

std::string in(Duration wait) {
    return "in " + describe_duration(std::max(wait, Duration::zero()));
}

std::string count_of(std::uint32_t number, std::string_view noun) {
    return std::to_string(number) + " " + std::string(noun) + (number == 1 ? "" : "s");
}

std::string count_of_failures(const Replica& replica) {
    const RestartSettings& settings = replica.spec->policy.restart;
    if (circuit_open(replica.failures, settings)) {
        return std::to_string(replica.failures) + " failures in a row: circuit open";
    }
    return replica.failures > 1 ? std::to_string(replica.failures) + " failures in a row" : "";
}

std::string why_stopping(const Replica& replica, Now now) {
    const Run& run = *replica.run;
    std::string text;
    switch (run.stop_cause.value_or(StopCause::Asked)) {
        case StopCause::Asked:
            text = replica.wanted_reason.empty() ? "asked to stop" : replica.wanted_reason;
            break;
        case StopCause::Restart: text = "to be started again"; break;
        case StopCause::StartTimeout: text = "was not healthy in time"; break;
        case StopCause::Unhealthy: text = count_of(run.streak.bad, "failed check") + " in a row"; break;
    }
    if (run.kill_sent) return text + "; SIGKILL sent";
    return text + "; SIGKILL " + in(run.deadline - now.steady);
}

std::string of_live(const Replica& replica, Now now) {
    const Run& run = *replica.run;
    const bool bad = run.last_check && !run.last_check->result.ok;
    if (!replica.held_by.empty()) return replica.wanted_reason + "; stops after '" + replica.held_by + "'";
    switch (run.phase) {
        case Phase::Unknown: return "recorded by an earlier supervisor, not yet checked";
        case Phase::Starting:
            return bad ? "not healthy yet: " + run.last_check->result.error
                       : "waits for its first good check";
        case Phase::Running:
            if (!bad || run.last_check->result.inconclusive) return "";
            return count_of(run.streak.bad, "failed check") + ": " + run.last_check->result.error;
        case Phase::Unhealthy: {
            if (!bad)
                return "not yet healthy again: " + count_of(run.streak.good, "good check") + " in a row";
            return count_of(run.streak.bad, "failed check") + " in a row: " + run.last_check->result.error;
        }
        case Phase::Stopping: return why_stopping(replica, now);
        case Phase::Failed: return "stop failed: SIGKILL did not end it (is it in uninterruptible sleep?)";
        case Phase::Stopped: return "";
    }
    return "";
}

}  // namespace

std::string reason_of(const Replica& replica, Now now) {
    if (has_live_run(replica)) return of_live(replica, now);
    std::string text = replica.rest_reason;
    switch (replica.rest) {
        case Rest::AtRest:
            if (completed(replica)) return text + "; not started again (restart.policy)";
            if (replica.rest_phase == Phase::Failed)
                return text + "; not started again (restart.policy = \"never\")";
            return text;
        case Rest::Blocked:
        case Rest::NoPort: return text;
        case Rest::Waiting: break;
    }
    if (replica.next_start != TimePoint::max()) {
        text += "; next start " + in(replica.next_start - now.steady);
        const std::string count = count_of_failures(replica);
        if (!count.empty()) text += " (" + count + ")";
    }
    return text;
}

std::string next_of(const Replica& replica, Now now) {
    if (!has_live_run(replica)) {
        switch (replica.rest) {
            case Rest::AtRest: return "";
            case Rest::Waiting:
                if (replica.next_start == TimePoint::max()) return "started now";
                return std::string(circuit_open(replica.failures, replica.spec->policy.restart)
                                       ? "one trial start "
                                       : "started ") +
                       in(replica.next_start - now.steady);
            case Rest::Blocked: return "started when it no longer " + replica.rest_reason;
            case Rest::NoPort:
                return "started when a port is released, tried again " + in(replica.next_start - now.steady);
        }
    }
    const Run& run = *replica.run;
    if (!replica.held_by.empty()) return "stopped when '" + replica.held_by + "' has stopped";
    if (run.phase == Phase::Stopping) {
        if (run.kill_sent) return "ends by SIGKILL";
        return "SIGKILL " + in(run.deadline - now.steady);
    }
    if (run.next_check != TimePoint::max()) return "checked " + in(run.next_check - now.steady);
    return replica.spec->policy.health.kind == HealthKind::None || run.phase == Phase::Failed ? ""
                                                                                              : "checked now";
}

}  // namespace pmctl
