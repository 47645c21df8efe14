// The parts of output.hpp that show the admin service.
#include "cli/output.hpp"
#include "shared/json_text.hpp"

namespace pmctl {

namespace {

std::string mode_of(const AdminReply& reply) {
    if (reply.mode == "waiting") return "waits for '" + printable(reply.instance) + "' to be Running";
    if (reply.mode == "poll") return "events";
    return reply.poll_error.empty() ? "interval: the service has no poll"
                                    : "interval: polls fail: " + printable(reply.poll_error);
}

std::string latency_of(const AdminReply& reply) {
    if (reply.applied == 0) return "";
    return describe_duration(reply.latency) + ", median " + describe_duration(reply.median_latency) +
           ", longest " + describe_duration(reply.longest_latency) + " (of " + std::to_string(reply.applied) +
           ")";
}

void time_or_null(JsonWriter& out, const std::optional<WallTime>& time) {
    time ? out.string(format_rfc3339(*time, 3)) : out.null();
}

}  // namespace

std::string admin_text(const AdminReply& reply, const Style& style) {
    Table table;
    const auto line = [&](const std::string& key, const std::string& value, Color color = Color::None) {
        if (!value.empty()) table.add_row({{key}, {value, color}});
    };
    const auto time = [](const std::optional<WallTime>& when) {
        return when ? date_text(*when) : std::string();
    };
    line("url", reply.url.empty() ? "not known" : printable(reply.url));
    line("instance", printable(reply.instance));
    line("mode", mode_of(reply));
    line("last event", reply.event == 0 ? "none yet" : std::to_string(reply.event));
    line("last success", reply.succeeded_at ? time(reply.succeeded_at) : "none yet");
    line("state of", time(reply.fetched_at));
    line("instances", std::to_string(reply.instances));
    if (reply.failing_since) {
        line(reply.refused ? "refused since" : "failing since",
             time(reply.failing_since) + ": " + printable(reply.error), Color::Red);
    }
    if (reply.failures > 0) line("failures", std::to_string(reply.failures) + " in a row", Color::Red);
    line("next try", time(reply.next_try));
    line("latency", latency_of(reply));
    std::string held;
    for (const std::string& each : reply.held) held += (held.empty() ? "" : ", ") + printable(each);
    line("held back", held.empty() ? "" : held + " (gone from the last answer: a mass removal)",
         Color::Yellow);
    std::string text = table.text(style);
    if (reply.left_out.empty()) return text;
    text += "\nleft out:\n";
    Table omissions;
    for (const OmissionRow& each : reply.left_out)
        omissions.add_row({{"  " + printable(each.id), Color::Bold}, {printable(each.reason)}});
    return text + omissions.text(style);
}

std::string admin_json(const AdminReply& reply) {
    std::string text;
    JsonWriter out(text);
    const auto string_of = [&](std::string_view key, const std::string& value) {
        out.key(key);
        out.string_or_null(value);
    };
    const auto time_of = [&](std::string_view key, const std::optional<WallTime>& value) {
        out.key(key);
        time_or_null(out, value);
    };
    const auto number_of = [&](std::string_view key, std::uint64_t value) {
        out.key(key);
        out.number(value);
    };
    out.begin_object();
    string_of("url", reply.url);
    string_of("instance", reply.instance);
    string_of("mode", reply.mode);
    number_of("event", reply.event);
    time_of("last_success", reply.succeeded_at);
    time_of("state_of", reply.fetched_at);
    time_of("failing_since", reply.failing_since);
    string_of("error", reply.error);
    out.key("refused");
    out.boolean(reply.refused);
    number_of("failures", reply.failures);
    string_of("poll_error", reply.poll_error);
    time_of("next_try", reply.next_try);
    number_of("instances", reply.instances);
    out.key("left_out");
    out.begin_array();
    for (const OmissionRow& each : reply.left_out) {
        out.begin_object();
        out.key("id");
        out.string(each.id);
        out.key("reason");
        out.string(each.reason);
        out.end_object();
    }
    out.end_array();
    out.key("held_back");
    out.begin_array();
    for (const std::string& each : reply.held) out.string(each);
    out.end_array();
    number_of("applied", reply.applied);
    out.key("latency_ms");
    out.milliseconds(reply.latency.count());
    out.key("median_latency_ms");
    out.milliseconds(reply.median_latency.count());
    out.key("longest_latency_ms");
    out.milliseconds(reply.longest_latency.count());
    out.end_object();
    return text + "\n";
}

int admin_exit(const AdminReply& reply) {
    const bool well = reply.succeeded_at && !reply.failing_since && reply.mode != "waiting";
    return well ? 0 : exit_status(ErrorKind::Unsettled);
}

std::string admin_notice(const AdminOutage& outage, WallTime now) {
    std::string text = "admin: ";
    if (!outage.waits_for.empty()) {
        text += "waits for '" + printable(outage.waits_for) + "' to be Running";
    } else {
        text += outage.refused ? "secret refused" : "unreachable";
        if (outage.since) text += " since " + minute_text(*outage.since, now);
        text += " (" + printable(outage.why) + ")";
    }
    return text + (outage.state_of ? ", using the state of " + minute_text(*outage.state_of, now)
                                   : ", no state of it is known");
}

}  // namespace pmctl
