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
std::vector<std::string> needs_a_restart(const Config& before, const Config& after) {
    std::vector<std::string> warnings;
    const auto compare = [&](const auto& old_value, const auto& new_value, const std::string& key) {
        if (old_value == new_value) return;
        warnings.push_back(key + " changed: in force from the supervisor's next start on");
    };
    compare(before.supervisor.runtime_dir, after.supervisor.runtime_dir, "[supervisor] runtime_dir");
    compare(before.supervisor.state_dir, after.supervisor.state_dir, "[supervisor] state_dir");
    compare(before.supervisor.log_level, after.supervisor.log_level, "[supervisor] log_level");
    compare(before.supervisor.log_format, after.supervisor.log_format, "[supervisor] log_format");
    compare(before.supervisor.socket_mode, after.supervisor.socket_mode, "[supervisor] socket_mode");
    compare(before.supervisor.socket_group, after.supervisor.socket_group, "[supervisor] socket_group");
    compare(before.http, after.http, "[http] listen");
    return warnings;
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

Result<std::vector<Member*>> Commands::concerned(const Targets& targets) const {
    if (supervisor_.finishing()) return fail("the supervisor is stopping");
    auto members = supervisor_.roster().resolve(targets, false);
    if (members) std::erase_if(*members, [](const Member* each) { return each->replica.leaving; });
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
    const auto members = concerned(request.targets);
    if (!members) return tl::unexpected(members.error());
    const std::set<const Member*> asked(members->begin(), members->end());
    std::vector<Member*> to_start;
    ActionReply reply;
    for (Member* each : with_dependencies(*members)) {
        const Replica& replica = each->replica;
        const bool by_name = asked.contains(each);
        if (!by_name && replica.wanted == Wanted::Running) continue;
        if (!replica.spec->enabled) {
            return fail("'" + each->name + "'" + (by_name ? "" : ", which is needed,") +
                        " is disabled: set enabled = true in its configuration and reload");
        }
        const bool up = has_live_run(replica) && replica.wanted == Wanted::Running;
        const char* note = !by_name ? "needed by another" : up ? "was running already" : "";
        reply.items.push_back({each->name, replica.run ? replica.run->number : 0, note, ""});
        to_start.push_back(each);
    }
    supervisor_.start(to_start, now);
    return done(std::move(reply), to_start);
}

Commands::Answer Commands::on(const StopRequest& request, bool, Now now) {
    const auto members = concerned(request.targets);
    if (!members) return tl::unexpected(members.error());
    ActionReply reply = action_reply(*members);
    for (std::size_t i = 0; i < members->size(); ++i) {
        if (!has_live_run((*members)[i]->replica)) reply.items[i].note = "was not running";
    }
    supervisor_.stop(*members, now);
    return done(std::move(reply), *members);
}

Commands::Answer Commands::on(const RestartRequest& request, bool, Now now) {
    const auto members = concerned(request.targets);
    if (!members) return tl::unexpected(members.error());
    for (const Member* each : *members) {
        if (!each->replica.spec->enabled) return fail("'" + each->name + "' is disabled");
        const std::string why_not = request.rolling ? why_not_rolling(*each->replica.spec) : "";
        if (!why_not.empty()) return fail("'" + each->name + "' " + why_not + ": leave --rolling out");
    }
    ActionReply reply = action_reply(*members);
    supervisor_.restart(*members, request.rolling, now);
    return done(std::move(reply), *members);
}

Result<ReloadReply> Commands::reload(bool dry_run, Now now) {
    if (supervisor_.finishing()) return fail("the supervisor is stopping");
    auto config = effects_.load_config();
    if (!config) return tl::unexpected(config.error());
    ReloadReply reply;
    reply.warnings = needs_a_restart(supervisor_.config(), *config);
    const auto plan = dry_run ? supervisor_.plan(*config) : supervisor_.apply(std::move(*config), now);
    for (const PlanEntry& entry : plan)
        reply.changes.push_back({entry.name, std::string(to_text(entry.action)), entry.reason});
    if (!dry_run) {
        supervisor_.tell_plan(plan, now);
        effects_.answer_when_stored();
    }
    reply.generation = supervisor_.roster().generation();
    return reply;
}

Commands::Answer Commands::on(const ReloadRequest& request, bool, Now now) {
    auto reply = reload(request.dry_run, now);
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
    const auto members = concerned(request.targets);
    if (!members) return tl::unexpected(members.error());
    std::string idle;
    for (const Member* each : *members) {
        if (!has_live_run(each->replica)) idle += (idle.empty() ? "'" : ", '") + each->name + "'";
    }
    if (!idle.empty()) return fail("no process to signal: " + idle + " not running");
    for (Member* each : *members) supervisor_.signal(*each, *number, now);
    return done(action_reply(*members), *members);
}

Commands::Answer Commands::on(const ResetRequest& request, bool, Now now) {
    const auto members = concerned(request.targets);
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

// Those asked for, and before them what they depend on.
std::vector<Member*> Commands::with_dependencies(const std::vector<Member*>& members) const {
    std::vector<Member*> all;
    std::set<const Member*> in;
    std::set<std::string> seen;
    const auto add = [&](Member* member) {
        if (in.insert(member).second) all.push_back(member);
    };
    const auto add_needed = [&](const auto& self, const Instance& instance) -> void {
        for (const std::string& id : instance.spec->policy.depends_on) {
            const Instance* needed = supervisor_.roster().find(id);
            if (needed == nullptr || !seen.insert(id).second) continue;
            self(self, *needed);
            for (const auto& each : needed->members) {
                if (!each->replica.leaving) add(each.get());
            }
        }
    };
    for (Member* member : members) {
        add_needed(add_needed, *member->instance);
        add(member);
    }
    return all;
}

}  // namespace pmctl
