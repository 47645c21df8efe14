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

std::string stage_in_words(const Run& run, Now now) {
    switch (run.stop_stage) {
        case StopStage::Draining: return "drains, told to end " + in(run.deadline - now.steady);
        case StopStage::Told: return "SIGKILL " + in(run.deadline - now.steady);
        case StopStage::Killed: return "SIGKILL sent";
    }
    return "";
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
    return text + "; " + stage_in_words(run, now);
}

std::string of_live(const Replica& replica, Now now) {
    const Run& run = *replica.run;
    const bool bad = run.last_check && !run.last_check->result.ok;
    if (!replica.held_by.empty()) {
        const bool comes_back = replica.wanted == Wanted::Running;
        return (comes_back ? "to be started again" : replica.wanted_reason) + "; stops after '" +
               replica.held_by + "'";
    }
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
    if (replica.wanted == Wanted::Stopped && has_process(replica)) return text + "; what it ran ends";
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
    if (!replica.held_by.empty()) {
        const bool comes_back = replica.wanted == Wanted::Running;
        return (comes_back ? "restarted when '" : "stopped when '") + replica.held_by + "' has stopped";
    }
    if (run.phase == Phase::Stopping) {
        return run.stop_stage == StopStage::Killed ? "ends by SIGKILL" : stage_in_words(run, now);
    }
    if (run.next_check != TimePoint::max()) return "checked " + in(run.next_check - now.steady);
    return replica.spec->policy.health.kind == HealthKind::None || run.phase == Phase::Failed ? ""
                                                                                              : "checked now";
}

std::string update_in_words(const Replica& replica) {
    const Update& update = replica.update;
    switch (update.stage) {
        case UpdateStage::None: return "";
        case UpdateStage::Waiting: return update.reason.empty() ? "waits for its turn" : update.reason;
        case UpdateStage::Failed: return update.reason;
        case UpdateStage::Trying: break;
    }
    if (!replica.candidate) return update.reason.empty() ? "the new process is being started" : update.reason;
    const Run& candidate = *replica.candidate;
    std::string text = "the new process (pid " + std::to_string(candidate.pid) + ") ";
    if (replica.spec->policy.health.kind == HealthKind::None) return text + "is watched for a moment";
    text += "is not healthy yet";
    if (candidate.last_check && !candidate.last_check->result.ok)
        text += ": " + candidate.last_check->result.error;
    return text;
}

std::string outgoing_in_words(const Run& run, Now now) {
    std::string text = "pid " + std::to_string(run.pid);
    if (run.port != 0) text += " on port " + std::to_string(run.port);
    if (run.phase == Phase::Failed) return text + ": SIGKILL did not end it";
    return text + ": " + stage_in_words(run, now);
}

}  // namespace pmctl
