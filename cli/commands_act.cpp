#include <algorithm>
#include <utility>

#include "cli/commands.hpp"
#include "cli/follow.hpp"
#include "cli/output.hpp"
#include "cli/process_watch.hpp"

namespace pmctl {

namespace {

Request action_of(const Arguments& args) {
    if (args.command == Command::Stop) return StopRequest{args.targets};
    if (args.command == Command::Restart) return RestartRequest{args.targets, args.rolling};
    return StartRequest{args.targets};
}

Goal goal_of(Command command) {
    if (command == Command::Stop) return Goal::Stopped;
    return command == Command::Restart ? Goal::Restarted : Goal::Started;
}

// What an action without a wait, or one that is over at once, says.
void print_items(Session& session, const ActionReply& reply, const std::string& done) {
    if (session.args().json) return;
    for (const ActionReply::Item& item : reply.items)
        session.print(item.name + "  " + (item.note.empty() ? done : item.note) + "\n");
}

std::size_t count_of(const std::vector<Change>& changes, bool (*wanted)(const Change&)) {
    return static_cast<std::size_t>(std::count_if(changes.begin(), changes.end(), wanted));
}

}  // namespace

Result<int> run_action(Session& session) {
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto reply = client->ask_for<ActionReply>(action_of(session.args()));
    if (!reply) return tl::unexpected(reply.error());
    if (session.args().no_wait) {
        print_items(session, *reply, "asked");
        return 0;
    }
    Waiting waiting(goal_of(session.args().command));
    waiting.add(*reply);
    return follow_and_tell(session, *client, waiting);
}

Result<int> run_scale(Session& session) {
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto reply = client->ask_for<ActionReply>(ScaleRequest{session.args().replicas});
    if (!reply) return tl::unexpected(reply.error());
    if (session.args().no_wait) {
        print_items(session, *reply, "asked");
        return 0;
    }
    Waiting waiting(Goal::Converged);
    waiting.add(*reply);
    return follow_and_tell(session, *client, waiting);
}

Result<int> run_signal(Session& session) {
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto reply =
        client->ask_for<ActionReply>(SignalRequest{session.args().subject, session.args().targets});
    if (!reply) return tl::unexpected(reply.error());
    print_items(session, *reply, "sent " + session.args().subject);
    return 0;
}

Result<int> run_reset(Session& session) {
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto reply = client->ask_for<ActionReply>(ResetRequest{session.args().targets});
    if (!reply) return tl::unexpected(reply.error());
    print_items(session, *reply, "reset");
    return 0;
}

Result<int> run_reload(Session& session) {
    const Arguments& args = session.args();
    const bool dry_run = args.dry_run || args.command == Command::Plan;
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto reply = client->ask_for<ReloadReply>(ReloadRequest{dry_run});
    if (!reply) return tl::unexpected(reply.error());
    for (const std::string& each : reply->warnings) session.say(each);
    if (!args.json) session.print(changes_text(reply->changes, dry_run, session.style()));
    session.flush();
    if (dry_run || args.no_wait) {
        const bool changes = changes_anything(reply->changes);
        if (args.json) session.print(changes_json(reply->changes, !changes));
        return args.exit_code && changes ? exit_status(ErrorKind::Unsettled) : 0;
    }

    Waiting waiting(Goal::Converged);
    for (const Change& each : reply->changes) {
        if (each.action != "keep") waiting.add(each.instance, 0);
    }
    for (const std::string& name : reply->stale) waiting.add(name, 0);
    const auto over = follow(*client, waiting, args.timeout, [](const auto&) {});
    const bool converged = over && !waiting.has_failed();
    if (args.json) session.print(changes_json(reply->changes, converged));
    if (converged) {
        const std::size_t changed =
            count_of(reply->changes, [](const Change& each) { return each.action != "keep"; });
        if (!args.json && changed > 0) session.print("converged\n");
        return 0;
    }
    if (!args.json) tell_failures(session, *client, waiting);
    if (!over) return tl::unexpected(over.error());
    Error error = failure_of(waiting);
    error.message = "did not converge: " + error.message;
    return tl::unexpected(std::move(error));
}

Result<int> run_wait(Session& session) {
    const Arguments& args = session.args();
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto rows = client->ask_for<StatusReply>(StatusRequest{args.targets, 0, {}});
    if (!rows) return tl::unexpected(rows.error());
    const bool healthy = args.wait_for == "healthy";
    const bool named = !args.targets.names.empty();
    Goal goal = args.wait_for == "stopped" ? Goal::Halted : Goal::Converged;
    if (healthy) goal = named ? Goal::Healthy : Goal::Well;
    Waiting waiting(goal);
    for (const StatusRow& row : rows->rows) {
        const bool counts = !healthy || named || row.wanted == "running";
        if (counts) waiting.add(row.name, row.run);
    }
    const auto over = follow(*client, waiting, args.timeout, [](const auto&) {});
    if (!over) return tl::unexpected(over.error());
    if (waiting.has_failed()) return fail(ErrorKind::Unsettled, failure_of(waiting).message);
    return 0;
}

Result<int> run_down(Session& session) {
    const Arguments& args = session.args();
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto hello = client->ask_for<HelloReply>(HelloRequest{});
    if (!hello) return tl::unexpected(hello.error());
    const ProcessWatch supervisor(client->peer_pid());
    const auto reply = client->ask_for<ActionReply>(DownRequest{args.now});
    // One that ends at once may have no time for its answer.
    if (!reply && reply.error().kind != ErrorKind::Unavailable) return tl::unexpected(reply.error());
    const Duration limit = args.timeout.value_or(default_timeout);
    if (!supervisor.await_end(limit)) {
        return fail(ErrorKind::Timeout, "the supervisor (pid " + std::to_string(hello->pid) +
                                            ") is still stopping after " + format_duration(limit) +
                                            "; at once: pmctl down --now");
    }
    if (args.json) return 0;
    if (!reply) {
        session.print("stopped\n");
    } else {
        const std::size_t count = reply->items.size();
        session.print("stopped " + std::to_string(count) + (count == 1 ? " instance\n" : " instances\n"));
    }
    return 0;
}

}  // namespace pmctl
