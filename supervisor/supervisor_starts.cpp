// From the wish to start to the process: what it waits for, what it is given, and which of those that are due
// start together.
#include <utility>

#include "supervisor/core/launch.hpp"
#include "supervisor/supervisor.hpp"

namespace pmctl {

namespace {

// Run numbers are promised to the store in blocks, so that a start costs no write of its own for them.
constexpr RunNumber run_block = 1000;
// Enough to keep several processors at work; their requests are in memory all at once.
constexpr std::size_t most_starts_together = 32;

bool is_up(const Member& member) {
    return (has_live_run(member.replica) && member.replica.run->phase == Phase::Running) ||
           completed(member.replica);
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

void Supervisor::start_soon(Member& member) {
    if (std::exchange(member.start_due, true)) return;
    to_start_.push_back(&member);
}

// As many of those that are due as may start together.
void Supervisor::start_some(Now now) {
    std::vector<Member*> members;
    std::vector<SpawnRequest> requests;
    while (!to_start_.empty() && requests.size() < most_starts_together) {
        Member* member = to_start_.front();
        // What it waits for may be among these, and may be all that it waits for.
        if (!requests.empty() && !gate_of(*member).empty()) break;
        to_start_.pop_front();
        auto request = try_start(*member, now);
        if (!request) continue;
        members.push_back(member);
        requests.push_back(std::move(*request));
    }
    if (requests.empty()) return;
    const auto outcomes = effects_.spawn(requests);
    for (std::size_t i = 0; i < members.size(); ++i) started(*members[i], requests[i].run, outcomes[i], now);
}

// Nothing where it does not start now.
std::optional<SpawnRequest> Supervisor::try_start(Member& member, Now now) {
    const Replica& replica = member.replica;
    member.start_due = false;
    // An order that came after the decision called it off.
    const bool asked_for = replica.wanted == Wanted::Running && replica.rest != Rest::AtRest;
    if (!asked_for || has_live_run(replica)) return std::nullopt;
    wait_no_longer(member);
    if (const std::string gate = gate_of(member); !gate.empty()) {
        handle(member, Blocked{gate}, now);
        return std::nullopt;
    }
    if (!find_port(member, now)) return std::nullopt;
    return next_request(member, now);
}

Result<Launch> Supervisor::launch_of(const Member& member, std::uint16_t port) const {
    const std::string& secret = config_.admin_secret;
    return launch(*member.replica.spec, member.replica.number, port, environment_,
                  secret.empty() ? std::nullopt : std::optional(secret));
}

SpawnRequest Supervisor::request_of(const Member& member, Launch launch) const {
    const ProcessSpec& process = member.replica.spec->process;
    SpawnRequest request;
    request.log_name = member.log_name;
    request.argv = std::move(launch.argv);
    request.env = std::move(launch.env);
    request.working_dir = std::move(launch.working_dir);
    request.user = process.user;
    request.group = process.group_id;
    request.umask = process.umask;
    request.limits = process.limits;
    request.listen_port = process.socket_activation ? member.port : std::uint16_t{0};
    return request;
}

// The request for its next run; nothing where its configuration allows none.
std::optional<SpawnRequest> Supervisor::next_request(Member& member, Now now) {
    auto launch = launch_of(member, member.port);
    if (!launch) {
        handle(member, SpawnFailed{launch.error().message, false}, now);
        return std::nullopt;
    }
    SpawnRequest request = request_of(member, std::move(*launch));
    if (next_run_ >= promised_runs_) {
        promised_runs_ = next_run_ + run_block;
        effects_.store({.kind = StoreWrite::Kind::SetNextRun, .number = promised_runs_});
    }
    request.run = next_run_++;
    return request;
}

void Supervisor::started(Member& member, RunNumber run, const SpawnOutcome& outcome, Now now) {
    if (!outcome) {
        return handle(member, SpawnFailed{outcome.error().message, outcome.error().transient}, now);
    }
    live_.insert(run);
    roster_.set_run(member, run);
    effects_.store(
        {.kind = StoreWrite::Kind::RunStarted,
         .run = {run, member.instance->id, member.replica.number, *outcome, member.port, now.wall}});
    handle(member, Spawned{run, *outcome, member.port}, now);
}

}  // namespace pmctl
