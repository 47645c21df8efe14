#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/pmctld.hpp"

namespace pmctl {

Result<int> run_why(Session& session) {
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto reply = client->ask_for<WhyReply>(WhyRequest{session.args().subject});
    if (!reply) return tl::unexpected(reply.error());
    session.print(session.args().json ? why_json(*reply) : why_text(*reply, session.style()));
    return 0;
}

Result<int> run_ports(Session& session) {
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto reply = client->ask_for<PortsReply>(PortsRequest{});
    if (!reply) return tl::unexpected(reply.error());
    session.print(session.args().json ? ports_json(*reply) : ports_text(*reply, session.style()));
    return 0;
}

Result<int> run_admin(Session& session) {
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    const auto reply = client->ask_for<AdminReply>(AdminRequest{});
    if (!reply) return tl::unexpected(reply.error());
    session.print(session.args().json ? admin_json(*reply) : admin_text(*reply, session.style()));
    return admin_exit(*reply);
}

Result<int> run_config(Session& session) {
    const Arguments& args = session.args();
    auto client = session.connect();
    if (!client && client.error().kind != ErrorKind::Unavailable) return tl::unexpected(client.error());
    if (!client) {
        // What a supervisor would make of the files, where none runs.
        const auto path = session.config_path();
        if (!path) return tl::unexpected(path.error());
        std::vector<std::string> words = {"--config", *path};
        if (args.show_secrets) words.emplace_back("--show-secrets");
        if (args.json) words.emplace_back("--json");
        words.emplace_back("--show-config");
        if (!args.subject.empty()) words.push_back(args.subject);
        return become_pmctld(session, words);
    }
    const auto reply = client->ask_for<ConfigReply>(ConfigRequest{args.subject, args.show_secrets});
    if (!reply) return tl::unexpected(reply.error());
    session.print(args.json ? config_json(*reply) : config_text(*reply, session.style()));
    return 0;
}

Result<int> run_validate(Session& session) {
    std::string file = session.args().subject;
    if (file.empty()) {
        auto found = session.config_path();
        if (!found) return tl::unexpected(found.error());
        file = std::move(*found);
    }
    std::vector<std::string> words = {"--validate", file};
    if (session.args().json) words.emplace_back("--json");
    return become_pmctld(session, words);
}

}  // namespace pmctl
