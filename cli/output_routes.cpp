// The parts of output.hpp that show the route table.
#include <algorithm>

#include "cli/output.hpp"
#include "shared/json_text.hpp"

namespace pmctl {

std::string routes_text(const RoutesReply& reply, const Style& style) {
    if (reply.routes.empty()) return "no instance has a hostname\n";
    Table table;
    table.add_row({{"HOSTNAME"}, {"UPSTREAM"}, {"INSTANCE"}, {"STATE"}});
    for (const RouteLine& line : reply.routes) {
        const bool up = !line.upstream.empty();
        table.add_row({{printable(line.hostname)},
                       {up ? printable(line.upstream) : "-"},
                       {printable(line.name)},
                       {printable(line.state), up ? Color::Green : Color::Yellow}});
    }
    return table.text(style);
}

std::string routes_json(const RoutesReply& reply) {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    out.key("generation");
    out.number(reply.generation);
    out.key("routes");
    out.begin_array();
    for (const RouteLine& line : reply.routes) {
        out.begin_object();
        out.key("hostname");
        out.string(line.hostname);
        out.key("upstream");
        out.string_or_null(line.upstream);
        out.key("name");
        out.string(line.name);
        out.key("state");
        out.string(line.state);
        out.end_object();
    }
    out.end_array();
    out.end_object();
    return text + "\n";
}

int routes_exit(const RoutesReply& reply, bool one) {
    const bool served = std::any_of(reply.routes.begin(), reply.routes.end(),
                                    [](const RouteLine& line) { return !line.upstream.empty(); });
    return !one || served ? 0 : exit_status(ErrorKind::Unsettled);
}

}  // namespace pmctl
