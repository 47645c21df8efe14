// From the wish to start to the process: what it waits for, what it is given, and which of those that are due
// start together.
#include <utility>

#include "supervisor/core/launch.hpp"
#include "supervisor/core/spec_fingerprint.hpp"
#include "supervisor/supervisor.hpp"

namespace pmctl {

namespace {

// Run numbers are promised to the store in blocks, so that a start costs no write of its own for them.
constexpr RunNumber run_block = 1000;
// Enough to keep several processors at work; their requests are in memory all at once.
constexpr std::size_t most_starts_together = 32;

bool is_up(const Member& member) {
    const Replica& replica = member.replica;
    const bool runs = has_live_run(replica) && replica.run->phase == Phase::Running;
    return (runs && replica.held_by.empty()) || completed(replica);
}

}  // namespace

std::string Supervisor::gate_of(const Member& member) const {
    for (const std::string& id : member.replica.spec->policy.depends_on) {
        const Instance* needed = roster_.find(id);
        if (needed == nullptr) return "'" + id + "', which is not configured";
        bool any = false;
        for (const auto& other : needed->members) {
            if (other->replica.leaving) continue;
            any = true;
            if (is_up(*other)) continue;
            if (other->replica.wanted == Wanted::Stopped) return "'" + other->name + "', which is stopped";
            return "'" + other->name + "' to be healthy";
        }
        if (!any) return "'" + id + "', which has no replicas";
    }
    return "";
}

void Supervisor::start_soon(Member& member, Slot slot) {
    bool& due = slot == Slot::Current ? member.start_due : member.candidate_due;
    if (std::exchange(due, true)) return;
    to_start_.push_back({&member, slot});
}

// As many of those that are due as may start together.
void Supervisor::start_some(Now now) {
    std::vector<Start> starts;
    std::vector<SpawnRequest> requests;
    while (!to_start_.empty() && requests.size() < most_starts_together) {
        const Start start = to_start_.front();
        // What it waits for may be among these, and may be all that it waits for.
        if (!requests.empty() && start.slot == Slot::Current && !gate_of(*start.member).empty()) break;
        to_start_.pop_front();
        auto request = try_start(start, now);
        if (!request) continue;
        starts.push_back(start);
        requests.push_back(std::move(*request));
    }
    if (requests.empty()) return;
    const auto outcomes = effects_.spawn(requests);
    for (std::size_t i = 0; i < starts.size(); ++i) started(starts[i], requests[i].run, outcomes[i], now);
}

// Nothing where it does not start now.
std::optional<SpawnRequest> Supervisor::try_start(const Start& start, Now now) {
    Member& member = *start.member;
    const Replica& replica = member.replica;
    // An order that came after the decision called it off.
    if (start.slot == Slot::Candidate) {
        member.candidate_due = false;
        if (replica.update.stage != UpdateStage::Trying || replica.candidate) return std::nullopt;
        wait_no_longer(member);
    } else {
        member.start_due = false;
        const bool asked_for = replica.wanted == Wanted::Running && replica.rest != Rest::AtRest;
        if (!asked_for || has_live_run(replica)) return std::nullopt;
        wait_no_longer(member);
        if (const std::string gate = gate_of(member); !gate.empty()) {
            handle(member, Blocked{gate}, now);
            if (!without_port_.empty()) ++ports_for_others_;  // it may have been woken for a port
            return std::nullopt;
        }
    }
    if (!find_port(start, now)) return std::nullopt;
    return next_request(start, now);
}

Result<Launch> Supervisor::launch_of(const Member& member, const InstanceSpec& spec,
                                     std::uint16_t port) const {
    const std::string& secret = config_.admin_secret;
    return launch(spec, member.replica.number, port, environment_,
                  secret.empty() ? std::nullopt : std::optional(secret));
}

SpawnRequest Supervisor::request_of(const Member& member, const ProcessSpec& process, Launch launch) const {
    SpawnRequest request;
    request.log_name = member.log_name;
    request.argv = std::move(launch.argv);
    request.env = std::move(launch.env);
    request.base_env = environment_list_;
    request.working_dir = std::move(launch.working_dir);
    request.user = process.user;
    request.group = process.group_id;
    request.umask = process.umask;
    request.limits = process.limits;
    return request;
}

// The request for its next run; nothing where its configuration allows none.
std::optional<SpawnRequest> Supervisor::next_request(const Start& start, Now now) {
    Member& member = *start.member;
    const InstanceSpec& spec = spec_of(start.slot, member.replica);
    const std::uint16_t port = place_of(start.slot, member).port;
    auto launch = launch_of(member, spec, port);
    if (!launch) {
        handle(member, SpawnFailed{launch.error().message, StartFault::Own, start.slot}, now);
        return std::nullopt;
    }
    SpawnRequest request = request_of(member, spec.process, std::move(*launch));
    if (spec.process.socket_activation) request.listen_port = port;
    request.port = port;
    request.fingerprint = spec_fingerprint(spec.process);
    if (next_run_ >= promised_runs_) {
        promised_runs_ = next_run_ + run_block;
        effects_.store({.kind = StoreWrite::Kind::SetNextRun, .number = promised_runs_});
    }
    request.run = next_run_++;
    return request;
}

void Supervisor::started(const Start& start, RunNumber run, const SpawnOutcome& outcome, Now now) {
    Member& member = *start.member;
    if (!outcome) {
        const SpawnFailure& failure = outcome.error();
        const StartFault fault = failure.transient ? StartFault::Machine : StartFault::Own;
        return handle(member, SpawnFailed{failure.message, fault, start.slot}, now);
    }
    const std::uint16_t port = place_of(start.slot, member).port;
    live_.insert(run);
    roster_.set_run(member, run);
    RunRecord record;
    record.run = run;
    record.instance = member.instance->id;
    record.replica = member.replica.number;
    record.pid = *outcome;
    record.port = port;
    record.started_at = now.wall;
    record.role = start.slot == Slot::Candidate ? RunRole::Candidate : RunRole::Current;
    record.restarts = member.replica.restarts;
    record.failures = member.replica.failures;
    effects_.store({.kind = StoreWrite::Kind::RunStarted, .run = std::move(record)});
    if (start.slot == Slot::Current) member.fingerprint.clear();
    handle(member, Spawned{run, *outcome, port, start.slot}, now);
}

}  // namespace pmctl
