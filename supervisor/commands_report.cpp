// `report`: what the stored marks come to, by the names that are shown now.
#include <algorithm>
#include <map>
#include <utility>

#include "supervisor/commands.hpp"
#include "supervisor/core/report.hpp"

namespace pmctl {

namespace {

constexpr Duration usual_window = std::chrono::hours(24);

bool tells_state(MarkKind kind) {
    return kind == MarkKind::Serves || kind == MarkKind::Missed || kind == MarkKind::NotWanted;
}

// One that has been as it is for longer than marks are kept has none of its state any longer; of its updates
// there may be some.
void add_unmarked(std::vector<Mark>& marks, const std::vector<Member*>& members) {
    if (marks.empty()) return;
    std::map<std::string, bool> is_marked;
    for (const Mark& each : marks) {
        if (tells_state(each.kind)) is_marked[each.name] = true;
    }
    const WallTime first = marks.front().at;
    std::vector<Mark> missing;
    for (const Member* each : members) {
        if (!each->tally.is_wanted || is_marked.contains(each->log_name)) continue;
        missing.push_back(
            {first, each->log_name, each->tally.serves ? MarkKind::Serves : MarkKind::Missed, {}});
    }
    marks.insert(marks.begin(), missing.begin(), missing.end());
}

}  // namespace

Commands::Answer Commands::on(const ReportRequest& request, bool, Now now) {
    ReportReply reply;
    reply.until = now.wall;
    reply.since = std::max(request.since.value_or(now.wall - usual_window), WallTime{});
    if (reply.since > reply.until)
        return fail(ErrorKind::Invalid, "a report is about what was: --since is in the future");
    const auto members = supervisor_.roster().resolve(request.targets, true);
    if (!members) return tl::unexpected(members.error());
    auto marks = effects_.marks(reply.since);
    if (!marks) return tl::unexpected(marks.error());
    add_unmarked(*marks, *members);
    MarkHistory history = history_of(*marks, reply.since, reply.until);
    reply.covered_since = history.covered_since;
    reply.not_watched = std::max(reply.until - reply.covered_since - history.watched, Duration::zero());

    NameHistory total;
    const auto add_row = [&](const std::string& name, const NameHistory& one) {
        add(total, one);
        reply.rows.push_back(report_row(name, one));
    };
    for (const Member* each : *members) {
        add_row(each->name, history.names[each->log_name]);
        history.names.erase(each->log_name);
    }
    // What is gone by now was to run as well.
    const bool all = request.targets.names.empty();
    for (const auto& [name, one] : history.names) {
        if (all && one.wanted > Duration::zero()) add_row(name, one);
    }
    reply.total = report_row("", total);
    reply.configuration = figures_of(std::move(history.applied));
    const OwnFigures own = effects_.own_figures();
    reply.cpu = own.cpu;
    reply.uptime = own.uptime;
    reply.resident_bytes = own.resident_bytes;
    return reply;
}

}  // namespace pmctl
