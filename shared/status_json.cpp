// The object of `status --json`: its keys are the contract of pmctl(1), apart from the protocol's own.
#include "shared/json_text.hpp"
#include "shared/protocol.hpp"

namespace pmctl {

namespace {

void time_or_null(JsonWriter& out, const std::optional<WallTime>& time) {
    time ? out.string(format_rfc3339(*time, 3)) : out.null();
}

template <class T>
void number_or_null(JsonWriter& out, const std::optional<T>& number) {
    number ? out.number(std::int64_t{*number}) : out.null();
}

void exit_or_null(JsonWriter& out, const std::optional<ExitText>& exit) {
    if (!exit || (!exit->code && exit->signal.empty())) return out.null();
    out.begin_object();
    out.key(exit->code ? "code" : "signal");
    exit->code ? out.number(std::int64_t{*exit->code}) : out.string(exit->signal);
    out.end_object();
}

void health_or_null(JsonWriter& out, const std::optional<HealthRow>& health) {
    if (!health) return out.null();
    out.begin_object();
    out.key("ok");
    out.boolean(health->ok);
    out.key("checked_at");
    out.string(format_rfc3339(health->checked_at, 3));
    out.key("latency_ms");
    out.milliseconds(health->latency.count());
    out.key("failures");
    out.number(std::uint64_t{health->failures});
    out.key("error");
    out.string_or_null(health->error);
    out.end_object();
}

void update_or_null(JsonWriter& out, const std::optional<UpdateRow>& update) {
    if (!update) return out.null();
    out.begin_object();
    out.key("state");
    out.string(update->state);
    out.key("reason");
    out.string_or_null(update->reason);
    out.end_object();
}

void row_object(JsonWriter& out, const StatusRow& row) {
    const auto text = [&](std::string_view key, const std::string& value) {
        out.key(key);
        out.string_or_null(value);
    };
    out.begin_object();
    text("name", row.name);
    text("instance", row.instance);
    text("app", row.app);
    text("group", row.group);
    text("origin", row.origin);
    text("wanted", row.wanted);
    text("state", row.state);
    text("reason", row.reason);
    out.key("pid");
    number_or_null(out, row.pid);
    out.key("port");
    number_or_null(out, row.port);
    out.key("hostnames");
    out.begin_array();
    for (const std::string& each : row.hostnames) out.string(each);
    out.end_array();
    out.key("started_at");
    time_or_null(out, row.started_at);
    out.key("uptime_ms");
    row.uptime ? out.number(std::int64_t{row.uptime->count() / 1'000'000}) : out.null();
    out.key("restarts");
    out.number(row.restarts);
    out.key("exit_status");
    exit_or_null(out, row.exit_status);
    out.key("next_start_at");
    time_or_null(out, row.next_start_at);
    out.key("health");
    health_or_null(out, row.health);
    out.key("update");
    update_or_null(out, row.update);
    text("spec", row.spec);
    out.key("limits");
    out.begin_object();
    for (const auto& [key, value] : row.limits) {
        out.key(key);
        out.string(value);
    }
    out.end_object();
    out.end_object();
}

}  // namespace

std::string status_json(const std::vector<StatusRow>& rows) {
    std::string text = "[";
    for (const StatusRow& row : rows) {
        text += text.size() == 1 ? "\n" : ",\n";
        JsonWriter out(text);
        row_object(out, row);
    }
    text += rows.empty() ? "]" : "\n]";
    return text;
}

}  // namespace pmctl
