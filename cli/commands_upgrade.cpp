#include "cli/commands.hpp"
#include "cli/follow.hpp"

namespace pmctl {

namespace {

std::string upgraded_json(const HelloReply& before, const HelloReply& after) {
    return "{\"from\":\"" + before.version + "\",\"to\":\"" + after.version +
           "\",\"pid\":" + std::to_string(after.pid) + "}\n";
}

std::string upgraded_text(const HelloReply& before, const HelloReply& after) {
    const std::string versions = before.version == after.version
                                     ? "pmctld " + after.version + " begun anew"
                                     : "pmctld " + before.version + " → " + after.version;
    return versions + ", pid " + std::to_string(after.pid) + "\n";
}

}  // namespace

Result<int> run_upgrade(Session& session) {
    const Arguments& args = session.args();
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto before = client->ask_for<HelloReply>(HelloRequest{});
    if (!before) return tl::unexpected(before.error());

    const Duration limit = args.timeout.value_or(default_timeout);
    const auto refusal = client->ask(UpgradeRequest{limit});
    if (refusal) return fail("the supervisor's answer is of an unexpected type");
    if (refusal.error().kind != ErrorKind::Unavailable) return tl::unexpected(refusal.error());

    // Its last word was the end of the connection.
    if (!client->come_back(limit)) {
        return fail(ErrorKind::Unavailable,
                    "the supervisor ended while it was upgraded; its instances run on, and the next one "
                    "goes on with them: pmctl up -d");
    }
    const auto after = client->ask_for<HelloReply>(HelloRequest{});
    if (!after) return tl::unexpected(after.error());
    if (after->started_at == before->started_at)
        return fail(ErrorKind::Unavailable, "the connection was lost, and no other program has taken over");
    session.print(args.json ? upgraded_json(*before, *after) : upgraded_text(*before, *after));
    return 0;
}

}  // namespace pmctl
