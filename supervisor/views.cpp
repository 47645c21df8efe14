#include "supervisor/views.hpp"

#include <algorithm>
#include <set>

#include "supervisor/core/backoff.hpp"
#include "supervisor/core/route_documents.hpp"

namespace pmctl {

namespace {

std::string_view to_text(Origin origin) {
    switch (origin) {
        case Origin::Static: return "static";
        case Origin::Admin: return "admin";
        case Origin::Both: return "both";
    }
    return "";
}

ExitText exit_text(const ExitStatus& status) {
    switch (status.kind) {
        case ExitStatus::Kind::Code: return {status.value, ""};
        case ExitStatus::Kind::Signal: return {std::nullopt, signal_name(status.value)};
        case ExitStatus::Kind::Unknown: return {};
    }
    return {};
}

Outlook outlook_of(const Supervisor& supervisor, const Member& member, std::set<const Member*>& seen);

// Each of them is looked at once, however many ways lead there.
Outlook of_blocked(const Supervisor& supervisor, const Member& member, std::set<const Member*>& seen) {
    for (const std::string& id : member.replica.spec->policy.depends_on) {
        const Instance* needed = supervisor.roster().find(id);
        if (needed == nullptr) return Outlook::Stuck;
        bool any = false;
        for (const auto& other : needed->members) {
            if (other->replica.leaving) continue;
            any = true;
            if (!seen.insert(other.get()).second) continue;
            if (other->replica.wanted == Wanted::Stopped) return Outlook::Stuck;
            if (outlook_of(supervisor, *other, seen) == Outlook::Stuck) return Outlook::Stuck;
        }
        if (!any) return Outlook::Stuck;
    }
    return Outlook::Pending;
}

Outlook of_live(const Replica& replica) {
    const bool failed = replica.run->phase == Phase::Failed;
    if (replica.wanted == Wanted::Stopped) return failed ? Outlook::Stuck : Outlook::Pending;
    if (!replica.held_by.empty()) return Outlook::Pending;
    if (failed || replica.run->phase == Phase::Unhealthy) return Outlook::Stuck;
    switch (replica.update.stage) {
        case UpdateStage::None: break;
        case UpdateStage::Failed: return Outlook::Stuck;
        case UpdateStage::Waiting:
        case UpdateStage::Trying: return Outlook::Pending;
    }
    return replica.run->phase == Phase::Running && !runs_old_spec(replica) ? Outlook::Settled
                                                                           : Outlook::Pending;
}

Outlook outlook_of(const Supervisor& supervisor, const Member& member, std::set<const Member*>& seen) {
    const Replica& replica = member.replica;
    if (has_live_run(replica)) return of_live(replica);
    if (replica.wanted == Wanted::Stopped) return has_process(replica) ? Outlook::Pending : Outlook::Settled;
    if (completed(replica)) return Outlook::Settled;
    switch (replica.rest) {
        case Rest::AtRest:
        case Rest::NoPort: return Outlook::Stuck;
        case Rest::Waiting: return replica.rest_phase == Phase::Failed ? Outlook::Stuck : Outlook::Pending;
        case Rest::Blocked: return of_blocked(supervisor, member, seen);
    }
    return Outlook::Pending;
}

}  // namespace

Outlook outlook_of(const Supervisor& supervisor, const Member& member) {
    std::set<const Member*> seen;
    return outlook_of(supervisor, member, seen);
}

StatusRow row_of(const Supervisor& supervisor, const Member& member, const GroupLimits& limits, Now now) {
    const Replica& replica = member.replica;
    const InstanceSpec& spec = *replica.spec;
    StatusRow row;
    row.name = member.name;
    row.instance = spec.id;
    row.app = spec.app;
    row.group = spec.policy.group;
    row.origin = to_text(spec.origin);
    row.wanted = replica.wanted == Wanted::Running ? "running" : "stopped";
    row.state = to_text(phase_of(replica));
    row.reason = reason_of(replica, now);
    row.hostnames = spec.hostnames;
    row.restarts = replica.restarts;
    row.change = member.change;
    row.outlook = outlook_of(supervisor, member);
    if (member.place.port != 0) row.port = member.place.port;
    if (replica.run) {
        const Run& run = *replica.run;
        row.run = run.number;
        if (run.exit) row.exit_status = exit_text(*run.exit);
        if (run.last_check) {
            const CheckResult& result = run.last_check->result;
            row.health =
                HealthRow{result.ok, run.last_check->at, result.latency, run.streak.bad, result.error};
        }
    }
    if (has_live_run(replica)) {
        row.pid = replica.run->pid;
        row.started_at = replica.run->started_at;
        row.uptime = now.steady - replica.run->started;
        if (replica.run_spec) row.limits = limits_in_force(replica.run_spec->process.limits, limits);
    } else if (replica.next_start != TimePoint::max()) {
        row.next_start_at = replica.next_start_at;
    }
    if (runs_old_spec(replica)) row.spec = "stale";
    if (replica.update.stage != UpdateStage::None) {
        const bool failed = replica.update.stage == UpdateStage::Failed;
        row.update = UpdateRow{failed ? "failed" : "rolling", update_in_words(replica)};
    }
    return row;
}

std::vector<std::pair<std::string, std::string>> hints_for(const Member& member) {
    const Replica& replica = member.replica;
    std::vector<std::pair<std::string, std::string>> hints;
    const auto hint = [&](const std::string& command, const std::string& why) {
        hints.emplace_back("pmctl " + command + " " + member.name, why);
    };
    switch (phase_of(replica)) {
        case Phase::Failed:
            hint("why", "what happened, in order");
            hint("logs -n 50", "what it said");
            if (circuit_open(replica.failures, replica.spec->policy.restart))
                hint("reset", "close the circuit and start it");
            break;
        case Phase::Unhealthy:
        case Phase::Starting:
            hint("logs -f", "what it says");
            hint("why", "what happened, in order");
            break;
        case Phase::Stopped:
            if (replica.wanted == Wanted::Stopped) hint("start", "start it");
            if (replica.rest == Rest::Blocked) hint("why", "what it waits for");
            break;
        case Phase::Running:
            if (replica.update.stage == UpdateStage::Failed) {
                hint("logs -n 50", "what the new process said");
                hint("reset", "try the update again");
            } else if (runs_old_spec(replica)) {
                hint("restart --rolling", "run what is configured");
            }
            break;
        case Phase::Unknown:
        case Phase::Stopping: break;
    }
    return hints;
}

EventRow row_of(const Event& event) {
    return {event.number, event.at, event.name, event.kind, event.text};
}

void add_routes(const Supervisor& supervisor, const RouteRow& row, std::vector<RouteLine>& lines) {
    for (const Upstream& each : row.upstreams)
        lines.push_back({row.hostname, upstream_text(each.port), each.name, "Running"});
    if (!row.upstreams.empty()) return;
    // What stands in the way is the first replica's.
    const Instance* instance = supervisor.roster().find(row.instance);
    const bool any = instance != nullptr && !instance->members.empty();
    lines.push_back(
        {row.hostname, "", row.instance,
         std::string(pmctl::to_text(any ? phase_of(instance->members.front()->replica) : Phase::Stopped))});
}

PortsReply ports_of(const Supervisor& supervisor) {
    const PortTable& table = supervisor.ports();
    PortsReply reply{table.range().first, table.range().last, table.free_in_range(), {}};
    for (const auto& [id, instance] : supervisor.roster().instances()) {
        for (const auto& member : instance.members) {
            const auto add = [&](const Place& place, const char* use) {
                if (place.port != 0)
                    reply.ports.push_back({place.port, member->name, place.listening ? "listening" : use});
            };
            add(member->place, "used");
            add(member->candidate_place, "candidate");
            for (const auto& [run, place] : member->outgoing_places) add(place, "draining");
        }
    }
    std::sort(reply.ports.begin(), reply.ports.end(),
              [](const PortRow& a, const PortRow& b) { return a.port < b.port; });
    return reply;
}

}  // namespace pmctl
