#include "cli/up.hpp"

#include "cli/attach.hpp"
#include "cli/commands.hpp"
#include "cli/follow.hpp"
#include "cli/output.hpp"
#include "cli/pmctld.hpp"
#include "cli/process_watch.hpp"
#include "cli/supervision.hpp"
#include "shared/path.hpp"

namespace pmctl {

namespace {

constexpr std::string_view stopped_by_operator = "stopped by an operator";  // as the supervisor says it

// One that runs already is given this configuration.
Result<void> apply_to(Session& session, Client& client, const std::string& config) {
    const Targets& targets = session.args().targets;
    const auto hello = client.ask_for<HelloReply>(HelloRequest{});
    if (!hello) return tl::unexpected(hello.error());
    if (!config.empty() && hello->config_path != config) {
        return fail("the supervisor that runs here (pid " + std::to_string(hello->pid) + ") serves '" +
                    hello->config_path + "', not '" + config +
                    "': stop it first (pmctl down), or give this one " +
                    "a [supervisor] runtime_dir of its own");
    }
    const auto reply = client.ask_for<ReloadReply>(ReloadRequest{false, !targets.names.empty()});
    if (!reply) return tl::unexpected(reply.error());
    for (const std::string& each : reply->warnings) session.say(each);
    if (!session.args().json) session.print(changes_text(reply->changes, false, session.style()));
    if (targets.names.empty()) return {};
    if (auto started = client.ask_for<ActionReply>(StartRequest{targets}); !started)
        return tl::unexpected(started.error());
    return {};
}

// Also what does not start by itself, or was stopped once. A supervisor that was started for a name that does
// not exist is of no use, and ends.
Result<void> start_named(Session& session, Client& client, pid_t supervisor) {
    const Targets& targets = session.args().targets;
    if (targets.names.empty()) return {};
    auto started = client.ask_for<ActionReply>(StartRequest{targets});
    if (started) return {};
    const ProcessWatch watch(supervisor);
    static_cast<void>(client.ask_for<ActionReply>(DownRequest{false}));
    static_cast<void>(watch.await_end(default_timeout));
    return tl::unexpected(started.error());
}

Result<OwnPmctld> start_new(Session& session, const std::string& config, const std::string& socket) {
    std::vector<std::string> words = {"--config", config};
    for (const std::string& name : session.args().targets.names) {
        words.emplace_back("--only");
        words.push_back(name);
    }
    const auto pid = start_pmctld(words, folder_of(socket));
    if (!pid) return tl::unexpected(pid.error());
    return OwnPmctld{*pid, std::move(words)};
}

// A stop outlasts the supervisor: who expects 'up' to start everything is told.
void tell_stopped(Session& session, const std::vector<StatusRow>& rows) {
    std::string names;
    for (const StatusRow& row : rows) {
        if (row.wanted == "stopped" && row.reason == stopped_by_operator) names += " " + row.name;
    }
    if (!names.empty()) session.say("stopped by an operator, and stays so until: pmctl start" + names);
}

Result<int> wait_until_healthy(Session& session, Client& client, const std::vector<StatusRow>& rows) {
    Waiting waiting(Goal::Converged);
    for (const StatusRow& row : rows) {
        if (row.wanted == "running") waiting.add(row.name, 0);
    }
    return follow_and_tell(session, client, waiting);
}

}  // namespace

Result<int> run_up(Session& session) {
    const Arguments& args = session.args();
    const auto socket = session.socket_path();
    if (!socket) return tl::unexpected(socket.error());
    auto client = Client::connect(*socket);
    if (!client && client.error().kind != ErrorKind::Unavailable) return tl::unexpected(client.error());
    const auto config = session.config_path();
    const bool runs = client.has_value();
    if (runs) client->leave_to_process_end();
    if (!config && !runs) return tl::unexpected(config.error());

    if (!args.detach) Interrupts::block();
    std::optional<OwnPmctld> own;
    if (runs) {
        if (auto applied = apply_to(session, *client, config.value_or("")); !applied)
            return tl::unexpected(applied.error());
    } else {
        auto started = start_new(session, *config, *socket);
        if (!started) return tl::unexpected(started.error());
        own = std::move(*started);
        client = Client::connect(*socket);
        if (!client) return tl::unexpected(client.error());
        client->leave_to_process_end();
        if (auto named = start_named(session, *client, own->pid); !named)
            return tl::unexpected(named.error());
    }
    const auto rows = client->ask_for<StatusReply>(StatusRequest{args.targets, 0, {}});
    if (!rows) return tl::unexpected(rows.error());
    tell_stopped(session, rows->rows);
    if (args.detach) return wait_until_healthy(session, *client, rows->rows);
    session.flush();
    return attach(session, *socket, args.targets, client->peer_pid(), std::move(own));
}

}  // namespace pmctl
