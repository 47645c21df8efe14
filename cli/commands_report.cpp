#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/since.hpp"

namespace pmctl {

Result<int> run_report(Session& session) {
    const Arguments& args = session.args();
    ReportRequest request{args.targets, {}};
    if (!args.since.empty()) {
        const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
        auto since = parse_since(args.since, now);
        if (!since) return tl::unexpected(since.error());
        request.since = *since;
    }
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto reply = client->ask_for<ReportReply>(request);
    if (!reply) return tl::unexpected(reply.error());
    session.print(args.json ? report_json(*reply) : report_text(*reply, session.style()));
    return 0;
}

}  // namespace pmctl
