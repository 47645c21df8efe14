#include "supervisor/commands.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "supervisor/core/rolling.hpp"
#include "supervisor/targets.hpp"
#include "supervisor/views.hpp"

namespace pmctl {

namespace {

// "sets [supervisor] log_format" for what a reload cannot change in a running supervisor.
std::vector<std::string> needs_a_restart(const Supervisor& supervisor, const Config& after) {
    const SupervisorSettings& before = supervisor.started_with();
    std::vector<std::string> warnings;
    const auto compare = [&](const auto& old_value, const auto& new_value, const std::string& key) {
        if (old_value == new_value) return;
        warnings.push_back(key + " changed: in force from the supervisor's next start on");
    };
    compare(before.runtime_dir, after.supervisor.runtime_dir, "[supervisor] runtime_dir");
    compare(before.state_dir, after.supervisor.state_dir, "[supervisor] state_dir");
    compare(before.log_level, after.supervisor.log_level, "[supervisor] log_level");
    compare(before.log_format, after.supervisor.log_format, "[supervisor] log_format");
    compare(before.socket_mode, after.supervisor.socket_mode, "[supervisor] socket_mode");
    compare(before.socket_group, after.supervisor.socket_group, "[supervisor] socket_group");
    compare(supervisor.http_started_with(), after.http, "[http] listen");
    return warnings;
}

tl::unexpected<Error> refuse_disabled(const std::string& who) {
    return fail(who + " is disabled: set enabled = true in its configuration and reload");
}

// "" where the next process may run beside the current one.
std::string why_not_rolling(const InstanceSpec& spec) {
    if (spec.policy.update.strategy == UpdateStrategy::Recreate) return "has update.strategy = \"recreate\"";
    const PortWish& port = spec.process.port;
    switch (port.kind) {
        case PortWish::Kind::Auto: return "";
        case PortWish::Kind::Fixed:
            if (rolling::share_socket(spec, spec)) return "";
            return "has the fixed port " + std::to_string(port.number) + ", which two processes cannot have";
        case PortWish::Kind::None: return "has no port that could be served meanwhile";
    }
    return "";
}

}  // namespace

Commands::Commands(Supervisor& supervisor, Effects& effects, std::string version, int pid,
                   WallTime started_at)
    : supervisor_(supervisor),
      effects_(effects),
      version_(std::move(version)),
      pid_(pid),
      started_at_(started_at) {}

std::optional<Result<Reply>> Commands::run(const Request& request, bool may_park, Now now) {
    return std::visit([&](const auto& each) { return on(each, may_park, now); }, request);
}

Result<std::vector<Member*>> Commands::concerned(const Targets& targets, Meant meant) const {
    if (supervisor_.finishing()) return fail("the supervisor is stopping");
    auto members = supervisor_.roster().resolve(targets, false);
    if (!members) return members;
    std::string disabled;
    std::erase_if(*members, [&](const Member* each) {
        const Replica& replica = each->replica;
        if (replica.leaving) return true;
        const bool idle = meant == Meant::Live && !has_live_run(replica);
        if (replica.spec->enabled && !idle) return false;
        if (!names(targets, *each)) return true;
        if (meant == Meant::Enabled) disabled = each->name;
        return false;
    });
    if (!disabled.empty()) return refuse_disabled("'" + disabled + "'");
    return members;
}

ActionReply Commands::action_reply(const std::vector<Member*>& members) const {
    ActionReply reply;
    for (const Member* member : members) {
        const Replica& replica = member->replica;
        reply.items.push_back({member->name, replica.run ? replica.run->number : 0, "", ""});
    }
    return reply;
}

// `members`: those of the items, in their order.
ActionReply Commands::done(ActionReply reply, const std::vector<Member*>& members) {
    effects_.answer_when_stored();
    for (std::size_t i = 0; i < members.size(); ++i)
        reply.items[i].state = to_text(phase_of(members[i]->replica));
    reply.generation = supervisor_.roster().generation();
    return reply;
}

Commands::Answer Commands::on(const StartRequest& request, bool, Now now) {
    auto members = concerned(request.targets, Meant::Enabled);
    if (!members) return tl::unexpected(members.error());
    auto to_start = needed_by(*members);
    if (!to_start) return tl::unexpected(to_start.error());
    ActionReply reply = action_reply(*to_start);
    for (ActionReply::Item& item : reply.items) item.note = "needed by another";
    for (Member* each : *members) {
        const Replica& replica = each->replica;
        const bool up = has_live_run(replica) && replica.wanted == Wanted::Running;
        reply.items.push_back(
            {each->name, replica.run ? replica.run->number : 0, up ? "was running already" : "", ""});
        to_start->push_back(each);
    }
    supervisor_.start(*to_start, now);
    return done(std::move(reply), *to_start);
}

Commands::Answer Commands::on(const StopRequest& request, bool, Now now) {
    const auto members = concerned(request.targets, Meant::All);
    if (!members) return tl::unexpected(members.error());
    ActionReply reply = action_reply(*members);
    for (std::size_t i = 0; i < members->size(); ++i) {
        if (!has_live_run((*members)[i]->replica)) reply.items[i].note = "was not running";
    }
    supervisor_.stop(*members, now);
    return done(std::move(reply), *members);
}

Commands::Answer Commands::on(const RestartRequest& request, bool, Now now) {
    const auto members = concerned(request.targets, Meant::Enabled);
    if (!members) return tl::unexpected(members.error());
    for (const Member* each : *members) {
        const std::string why_not = request.rolling ? why_not_rolling(*each->replica.spec) : "";
        if (!why_not.empty()) return fail("'" + each->name + "' " + why_not + ": leave --rolling out");
    }
    // What one of them needs may have been stopped: it would wait for that for ever.
    auto all = needed_by(*members);
    if (!all) return tl::unexpected(all.error());
    const std::vector<Member*> needed = *all;
    all->insert(all->end(), members->begin(), members->end());
    ActionReply reply = action_reply(*all);
    supervisor_.start(needed, now);
    supervisor_.restart(*members, request.rolling, now);
    return done(std::move(reply), *all);
}

Result<ReloadReply> Commands::reload(const ReloadRequest& request, Now now) {
    if (supervisor_.finishing()) return fail("the supervisor is stopping");
    auto config = effects_.load_config();
    if (!config) return tl::unexpected(config.error());
    ReloadReply reply;
    reply.warnings = needs_a_restart(supervisor_, *config);
    const auto plan = request.dry_run ? supervisor_.plan(*config)
                                      : supervisor_.apply(std::move(*config), now, request.partial);
    for (const PlanEntry& entry : plan) {
        reply.changes.push_back({entry.name, std::string(to_text(entry.action)), entry.reason});
        // Nothing new is asked of it, and what runs is not what is configured, or not yet.
        Instance* instance = entry.action == PlanAction::Keep ? supervisor_.roster().find(entry.id) : nullptr;
        const Member* member =
            instance == nullptr ? nullptr : supervisor_.roster().find_member(*instance, entry.number);
        if (member != nullptr && runs_old_spec(member->replica)) reply.stale.push_back(entry.name);
    }
    if (!request.dry_run) {
        supervisor_.tell_plan(plan, now);
        effects_.answer_when_stored();
    }
    reply.generation = supervisor_.roster().generation();
    return reply;
}

Commands::Answer Commands::on(const ReloadRequest& request, bool, Now now) {
    auto reply = reload(request, now);
    if (!reply) return tl::unexpected(reply.error());
    return std::move(*reply);
}

Commands::Answer Commands::on(const ScaleRequest& request, bool, Now now) {
    if (supervisor_.finishing()) return fail("the supervisor is stopping");
    Targets targets;
    for (const auto& [id, replicas] : request.replicas) {
        const Instance* instance = supervisor_.roster().find(id);
        if (instance == nullptr) {
            const auto others = supervisor_.roster().resolve(Targets{{id}, false}, false);
            if (!others) return tl::unexpected(others.error());
            return fail(ErrorKind::Invalid, "'" + id + "' is no instance: say ID=N");
        }
        if (!supervisor_.is_configured(id)) {
            return fail(ErrorKind::NotFound, "'" + id + "' is no longer configured: it is being stopped");
        }
        if (replicas > max_replicas) {
            return fail(ErrorKind::Invalid, "'" + id + "': " + std::to_string(replicas) +
                                                " replicas, at most " + std::to_string(max_replicas) +
                                                " are allowed");
        }
        if (replicas > 1 && instance->spec->process.port.kind == PortWish::Kind::Fixed) {
            return fail(ErrorKind::Invalid, "'" + id + "' has the fixed port " +
                                                std::to_string(instance->spec->process.port.number) +
                                                ": it can have one replica");
        }
        targets.names.push_back(id);
    }
    for (const auto& [id, replicas] : request.replicas)
        supervisor_.scale(*supervisor_.roster().find(id), replicas, now);
    // Nothing named is everything elsewhere.
    if (targets.names.empty()) return done({}, {});
    const auto members = still_there(targets);
    return done(action_reply(members), members);
}

Commands::Answer Commands::on(const SignalRequest& request, bool, Now now) {
    const auto number = signal_number(request.signal);
    if (!number)
        return fail(ErrorKind::Invalid,
                    "'" + request.signal + "' is no signal: say HUP, SIGHUP or 1, for example");
    const auto members = concerned(request.targets, Meant::Live);
    if (!members) return tl::unexpected(members.error());
    std::string idle;
    for (const Member* each : *members) {
        if (!has_live_run(each->replica)) idle += (idle.empty() ? "'" : ", '") + each->name + "'";
    }
    if (!idle.empty()) return fail("no process to signal: " + idle + " not running");
    if (members->empty()) return fail("no process to signal: none of those runs");
    for (Member* each : *members) supervisor_.signal(*each, *number, now);
    return done(action_reply(*members), *members);
}

Commands::Answer Commands::on(const ResetRequest& request, bool, Now now) {
    const auto members = concerned(request.targets, Meant::All);
    if (!members) return tl::unexpected(members.error());
    ActionReply reply = action_reply(*members);
    for (Member* each : *members) supervisor_.reset(*each, now);
    return done(std::move(reply), *members);
}

Commands::Answer Commands::on(const DownRequest& request, bool, Now now) {
    std::vector<Member*> live = still_there({});
    std::erase_if(live, [](const Member* each) { return !has_live_run(each->replica); });
    ActionReply reply = action_reply(live);
    supervisor_.finish(request.now, "stopping everything: asked by `pmctl down`", now);
    reply.generation = supervisor_.roster().generation();
    return reply;
}

Commands::Answer Commands::on(const UpgradeRequest&, bool, Now) {
    return fail("there is no program here to be replaced");  // the daemon answers it itself
}

// What these depend on, directly or not, and what is not to run so far; not these themselves. Error: one of
// it is disabled.
Result<std::vector<Member*>> Commands::needed_by(const std::vector<Member*>& members) const {
    const std::set<const Member*> asked(members.begin(), members.end());
    std::vector<const Instance*> todo;
    std::set<std::string_view> seen;
    todo.reserve(members.size());
    for (const Member* member : members) todo.push_back(member->instance);
    std::vector<Member*> found;
    while (!todo.empty()) {
        const Instance& needs = *todo.back();
        todo.pop_back();
        for (const std::string& id : needs.spec->policy.depends_on) {
            const Instance* needed = supervisor_.roster().find(id);
            if (needed == nullptr || !seen.insert(id).second) continue;
            todo.push_back(needed);
            for (const auto& each : needed->members) {
                const Replica& replica = each->replica;
                if (replica.leaving || replica.wanted == Wanted::Running || asked.contains(each.get()))
                    continue;
                if (!replica.spec->enabled) return refuse_disabled("'" + each->name + "', which is needed,");
                found.push_back(each.get());
            }
        }
    }
    std::reverse(found.begin(), found.end());  // what comes first is needed by what comes later
    return found;
}

}  // namespace pmctl
