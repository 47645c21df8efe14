// The commands that only look.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "supervisor/admin_view.hpp"
#include "supervisor/commands.hpp"
#include "supervisor/core/config_show.hpp"
#include "supervisor/core/names.hpp"
#include "supervisor/targets.hpp"
#include "supervisor/views.hpp"

namespace pmctl {

namespace {

constexpr std::size_t events_a_reply = 1000;
constexpr std::size_t story_length = 60;
constexpr std::uint64_t lines_in_full = 10;

}  // namespace

std::vector<Member*> Commands::still_there(const Targets& targets) const {
    if (auto all = supervisor_.roster().resolve(targets, true)) return *all;
    std::vector<Member*> found;
    for (const std::string& name : targets.names) {
        const auto some = supervisor_.roster().resolve(Targets{{name}, false}, true);
        if (!some) continue;
        for (Member* each : *some) {
            if (std::find(found.begin(), found.end(), each) == found.end()) found.push_back(each);
        }
    }
    return found;
}

Commands::Answer Commands::on(const HelloRequest&, bool, Now) {
    return HelloReply{protocol_version, version_, pid_, supervisor_.config().path, started_at_};
}

Commands::Answer Commands::on(const StatusRequest& request, bool may_park, Now now) {
    const Roster& roster = supervisor_.roster();
    // A number of an earlier supervisor, or one too old: everything is told anew.
    const bool follows =
        request.since != 0 && request.since <= roster.generation() && !roster.forgot_since(request.since);
    StatusReply reply;
    reply.generation = roster.generation();
    if (supervisor_.finishing()) {
        reply.notice = "the supervisor is stopping";
    } else {
        reply.admin = outage_of(supervisor_);
    }
    const GroupLimits& limits = effects_.group_limits();
    if (!follows) {
        auto members =
            request.since != 0 ? still_there(request.targets) : roster.resolve(request.targets, true);
        if (!members) return tl::unexpected(members.error());
        for (const Member* each : *members) reply.rows.push_back(row_of(supervisor_, *each, limits, now));
        if (request.in_full && members->size() == 1) reply.one = describe(*members->front(), now);
        return reply;
    }
    const std::vector<Member*> changed = roster.changed_since(request.since);
    reply.gone = roster.gone_since(request.since);
    for (const Member* each : changed) {
        if (concerns(roster.instances(), request.targets, *each))
            reply.rows.push_back(row_of(supervisor_, *each, limits, now));
    }
    if (reply.rows.empty() && reply.gone.empty() && may_park) return std::nullopt;
    return reply;
}

Commands::Answer Commands::on(const DescribeRequest& request, bool, Now now) {
    const auto found = one(request.name);
    if (!found) return tl::unexpected(found.error());
    return describe(**found, now);
}

DescribeReply Commands::describe(const Member& member, Now now) const {
    const InstanceSpec& spec = *(member.replica.run_spec ? member.replica.run_spec : member.replica.spec);
    DescribeReply reply;
    reply.row = row_of(supervisor_, member, effects_.group_limits(), now);
    reply.command = spec.process.command;
    reply.working_dir = spec.process.working_dir;
    reply.next_action = next_of(member.replica, now);
    reply.description = member.replica.spec->policy.description;
    reply.log_path = effects_.log_path(member.log_name);
    for (const Run& run : member.replica.outgoing) reply.outgoing.push_back(outgoing_in_words(run, now));
    reply.hints = hints_for(member);
    LogsRequest last;
    last.lines = lines_in_full;
    // Where the log cannot be read, the rest is still of use.
    if (auto logs = effects_.read_logs(last, {{member.name, member.log_name}}))
        reply.logs = std::move(logs->lines);
    return reply;
}

Result<std::vector<std::pair<std::string, std::string>>> Commands::log_names(
    const LogsRequest& request) const {
    const Targets& targets = request.targets;
    std::vector<std::pair<std::string, std::string>> names;
    const auto add = [&names](const std::vector<Member*>& members) {
        for (const Member* each : members) names.emplace_back(each->name, each->log_name);
    };
    const auto all = supervisor_.roster().resolve(targets, true);
    if (all) {
        add(*all);
        return names;
    }
    add(still_there(targets));
    Targets unknown;
    for (const std::string& name : targets.names) {
        if (supervisor_.roster().resolve(Targets{{name}, false}, true)) continue;
        const auto kept = effects_.kept_logs(name, request.cursor);
        for (const std::string& each : kept) {
            const bool is_there = std::any_of(names.begin(), names.end(),
                                              [&each](const auto& other) { return other.second == each; });
            if (!is_there) names.emplace_back(each, each);
        }
        if (kept.empty()) unknown.names.push_back(name);
    }
    // One that goes while its log is followed is no error.
    if (unknown.names.empty() || !request.cursor.empty()) return names;
    return tl::unexpected(supervisor_.roster().resolve(unknown, true).error());
}

Commands::Answer Commands::on(const LogsRequest& request, bool may_park, Now) {
    const auto names = log_names(request);
    if (!names) return tl::unexpected(names.error());
    auto reply = effects_.read_logs(request, *names);
    if (!reply) return tl::unexpected(reply.error());
    // Without a cursor it has to be answered: where to begin is decided once, not anew at each wake.
    const bool nothing = reply->lines.empty() && reply->warnings.empty() && !reply->more;
    if (nothing && may_park && !request.cursor.empty()) return std::nullopt;
    return std::move(*reply);
}

Commands::Answer Commands::on(const EventsRequest& request, bool may_park, Now) {
    std::set<std::string> names;
    if (!request.targets.names.empty() && !request.targets.all) {
        // What happened to those that are gone can still be asked for.
        Targets unknown;
        for (const std::string& target : request.targets.names) {
            if (supervisor_.roster().resolve(Targets{{target}, false}, true)) continue;
            bool is_told_of = false;
            for (const Event& event : supervisor_.journal().events()) {
                // The supervisor's own have no name.
                if (event.name.empty() || (event.name != target && replica_stem(event.name) != target))
                    continue;
                names.insert(event.name);
                is_told_of = true;
            }
            if (!is_told_of || target.empty()) unknown.names.push_back(target);
        }
        if (!unknown.names.empty() && request.cursor == 0)
            return tl::unexpected(supervisor_.roster().resolve(unknown, true).error());
        for (const Member* each : still_there(request.targets)) {
            names.insert(each->name);
            names.insert(each->instance->id);
        }
        names.insert(request.targets.names.begin(), request.targets.names.end());
    }
    const Journal& journal = supervisor_.journal();
    const bool from_the_end = request.cursor == 0 && request.lines;
    const std::size_t limit =
        std::min<std::size_t>(from_the_end ? *request.lines : events_a_reply, events_a_reply);
    const auto found = journal.after(request.cursor, limit, from_the_end, [&](const Event& event) {
        return names.empty() || names.contains(event.name);
    });
    EventsReply reply;
    for (const Event* event : found) reply.events.push_back(row_of(*event));
    // What was left out by the filter is passed over; what did not fit comes with the next request.
    reply.cursor = found.size() == limit && !from_the_end ? found.back()->number : journal.last_number();
    if (reply.events.empty() && request.cursor != 0 && may_park) return std::nullopt;
    return reply;
}

Commands::Answer Commands::on(const WhyRequest& request, bool, Now now) {
    const auto found = one(request.name);
    if (!found) return tl::unexpected(found.error());
    const Member& member = **found;
    WhyReply reply;
    reply.row = row_of(supervisor_, member, effects_.group_limits(), now);
    reply.next = next_of(member.replica, now);
    // The first replica has been called by another name where it was the only one, or was not.
    std::set<std::string> names = {member.name};
    if (member.replica.number == 0) names.insert({member.instance->id, member.instance->id + ":0"});
    std::map<std::uint64_t, EventRow> story;
    for (const std::string& name : names) {
        for (const Event& event : effects_.history(name, story_length)) story[event.number] = row_of(event);
    }
    const auto is_its = [&](const Event& event) { return names.contains(event.name); };
    for (const Event* event : supervisor_.journal().after(0, story_length, true, is_its)) {
        story[event->number] = row_of(*event);
    }
    for (auto& [number, event] : story) reply.story.push_back(std::move(event));
    if (reply.story.size() > story_length)
        reply.story.erase(reply.story.begin(), reply.story.end() - story_length);
    return reply;
}

Commands::Answer Commands::on(const ConfigRequest& request, bool, Now) {
    auto values = show_config(supervisor_.config(), request.id, request.show_secrets);
    if (!values) return tl::unexpected(values.error());
    return ConfigReply{std::move(*values)};
}

Commands::Answer Commands::on(const PortsRequest&, bool, Now) {
    return ports_of(supervisor_);
}

Commands::Answer Commands::on(const RoutesRequest& request, bool may_park, Now) {
    const RouteTable& table = supervisor_.routes();
    if (may_park && request.since == table.generation()) return std::nullopt;
    RoutesReply reply;
    reply.generation = table.generation();
    if (request.hostname.empty()) {
        for (const RouteRow& row : table.rows()) add_routes(supervisor_, row, reply.routes);
    } else if (const auto row = table.row(request.hostname)) {
        add_routes(supervisor_, *row, reply.routes);
    } else if (request.since == 0) {
        return fail(ErrorKind::NotFound, "no instance has the hostname '" + request.hostname + "'");
    }
    return reply;
}

Commands::Answer Commands::on(const AdminRequest&, bool, Now now) {
    auto reply = admin_view(supervisor_, now);
    if (!reply) return tl::unexpected(reply.error());
    return std::move(*reply);
}

// The first one of those that `name` means.
Result<Member*> Commands::one(const std::string& name) const {
    const auto members = supervisor_.roster().resolve(Targets{{name}, false}, false);
    if (!members) return tl::unexpected(members.error());
    if (members->empty()) return fail(ErrorKind::NotFound, "'" + name + "' has no replicas");
    return members->front();
}

}  // namespace pmctl
