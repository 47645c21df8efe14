#include <algorithm>

#include "cli/commands.hpp"
#include "cli/log_output.hpp"
#include "cli/output.hpp"
#include "cli/since.hpp"

namespace pmctl {

namespace {

constexpr Duration longest_ask = std::chrono::seconds(30);
constexpr std::uint64_t events_at_first = 100;

std::vector<std::string> names_in(const std::vector<LogLine>& lines) {
    std::vector<std::string> names;
    for (const LogLine& each : lines) {
        if (std::find(names.begin(), names.end(), each.name) == names.end()) names.push_back(each.name);
    }
    return names;
}

}  // namespace

Result<int> run_logs(Session& session) {
    const Arguments& args = session.args();
    LogsRequest request;
    request.targets = args.targets;
    request.want_stdout = args.want_stdout;
    request.want_stderr = args.want_stderr;
    request.lines = args.lines;
    if (!args.since.empty()) {
        const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
        auto since = parse_since(args.since, now);
        if (!since) return tl::unexpected(since.error());
        request.since = *since;
    }
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto rows = client->ask_for<StatusReply>(StatusRequest{args.targets, 0, {}});
    // Logs outlast their instances: whether these are there the next answer tells, and of which replicas.
    const bool gone = !rows && rows.error().kind == ErrorKind::NotFound;
    if (!rows && !gone) return tl::unexpected(rows.error());
    std::vector<std::string> names;
    if (rows) {
        for (const StatusRow& row : rows->rows) names.push_back(row.name);
    }
    LogOutput output({gone || names.size() > 1, args.timestamps, args.json, session.style()});
    output.expect(names);
    while (true) {
        const auto reply = client->ask_for<LogsReply>(request);
        if (!reply) {
            session.print(output.rest());
            return tl::unexpected(reply.error());
        }
        for (const std::string& each : reply->warnings) session.say(each);
        if (gone) output.expect(names_in(reply->lines));
        session.print(output.text(reply->lines));
        request.cursor = reply->cursor;
        if (reply->more) continue;
        if (!args.follow) break;
        session.flush();
        request.wait = longest_ask;
    }
    session.print(output.rest());
    return 0;
}

Result<int> run_events(Session& session) {
    const Arguments& args = session.args();
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    EventsRequest request;
    request.targets = args.targets;
    request.lines = args.lines.value_or(events_at_first);
    while (true) {
        const auto reply = client->ask_for<EventsReply>(request);
        if (!reply) return tl::unexpected(reply.error());
        for (const EventRow& each : reply->events)
            session.print(args.json ? event_json(each) : event_line(each, session.style()));
        if (!args.follow) return 0;
        session.flush();
        request.cursor = reply->cursor;
        request.lines.reset();
        request.wait = longest_ask;
    }
}

}  // namespace pmctl
