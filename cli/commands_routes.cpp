#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace pmctl {

namespace {

constexpr Duration watch_wait = std::chrono::seconds(30);

void show(Session& session, const RoutesReply& reply) {
    session.print(session.args().json ? routes_json(reply) : routes_text(reply, session.style()));
    session.flush();
}

}  // namespace

Result<int> run_routes(Session& session) {
    const Arguments& args = session.args();
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    RoutesRequest request{args.subject, 0, {}};
    auto reply = client->ask_for<RoutesReply>(request);
    if (!reply) return tl::unexpected(reply.error());
    show(session, *reply);
    while (args.watch) {
        request.since = reply->generation;
        request.wait = watch_wait;
        reply = client->ask_for<RoutesReply>(request);
        if (!reply) return tl::unexpected(reply.error());
        if (reply->generation == request.since) continue;
        // In place on a terminal, one after the other elsewhere.
        if (session.on_terminal()) {
            session.print("\x1b[2J\x1b[H");
        } else if (!args.json) {
            session.print("\n");
        }
        show(session, *reply);
    }
    return routes_exit(*reply, !args.subject.empty());
}

}  // namespace pmctl
