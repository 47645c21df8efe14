#include "cli/output.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include "shared/json_text.hpp"

namespace pmctl {

namespace {

std::string local(WallTime when, const char* format) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(when);
    const std::time_t time = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(seconds));
    std::tm parts{};
    ::localtime_r(&time, &parts);
    std::array<char, 40> text{};
    std::strftime(text.data(), text.size(), format, &parts);
    return text.data();
}

std::string fraction(WallTime when) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(when);
    const auto milliseconds = (when - seconds).count() / 1'000'000;
    return "." + std::to_string(1000 + milliseconds).substr(1);
}

Color color_of_kind(const std::string& text) {
    if (text.find("→ Failed") != std::string::npos || text.find("→ Unhealthy") != std::string::npos)
        return Color::Red;
    return text.find("→ Running") != std::string::npos ? Color::Green : Color::None;
}

void write_event(JsonWriter& out, const EventRow& event) {
    out.begin_object();
    out.key("number");
    out.number(event.number);
    out.key("time");
    out.string(format_rfc3339(event.at, 3));
    out.key("name");
    out.string_or_null(event.name);
    out.key("kind");
    out.string(event.kind);
    out.key("text");
    out.string(event.text);
    out.end_object();
}

std::string_view past(std::string_view action) {
    if (action == "start") return "started";
    if (action == "stop") return "stopped";
    if (action == "replace") return "replaced";
    if (action == "update") return "updated";
    return "kept";
}

Color color_of_action(std::string_view action) {
    if (action == "start") return Color::Green;
    if (action == "stop") return Color::Red;
    return action == "replace" ? Color::Yellow : Color::None;
}

}  // namespace

std::string clock_text(WallTime when) {
    return local(when, "%H:%M:%S") + fraction(when);
}

std::string date_text(WallTime when) {
    return local(when, "%Y-%m-%d %H:%M:%S") + fraction(when);
}

std::string minute_text(WallTime when, WallTime now) {
    const bool today = local(when, "%F") == local(now, "%F");
    return local(when, today ? "%H:%M" : "%F %H:%M");
}

std::string event_line(const EventRow& event, const Style& style) {
    std::string line = paint(date_text(event.at), Color::Dim, style) + "  ";
    line += paint(printable(event.name.empty() ? "pmctld" : event.name), Color::Bold, style) + "  ";
    return line + paint(printable(event.text), color_of_kind(event.text), style) + "\n";
}

std::string event_json(const EventRow& event) {
    std::string text;
    JsonWriter out(text);
    write_event(out, event);
    return text + "\n";
}

std::string why_text(const WhyReply& reply, const Style& style) {
    std::string text = "'" + printable(reply.row.name) + "' is " + reply.row.state;
    if (!reply.row.reason.empty()) text += ": " + printable(reply.row.reason);
    text += "\n\n";
    std::string day;
    Table table;
    for (const EventRow& event : reply.story) {
        const std::string date = date_text(event.at).substr(0, 10);
        if (date != day) table.add_row({{date, Color::Dim}});
        day = date;
        table.add_row({{clock_text(event.at), Color::Dim},
                       {event.kind},
                       {printable(event.text), color_of_kind(event.text)}});
    }
    text += table.text(style);
    return text +
           "\nnext: " + (reply.next.empty() ? "nothing, until something changes" : printable(reply.next)) +
           "\n";
}

std::string why_json(const WhyReply& reply) {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    out.key("name");
    out.string(reply.row.name);
    out.key("state");
    out.string(reply.row.state);
    out.key("reason");
    out.string_or_null(reply.row.reason);
    out.key("story");
    out.begin_array();
    for (const EventRow& event : reply.story) write_event(out, event);
    out.end_array();
    out.key("next");
    out.string_or_null(reply.next);
    out.end_object();
    return text + "\n";
}

std::string ports_text(const PortsReply& reply, const Style& style) {
    Table table;
    table.add_row({{"PORT"}, {"NAME"}, {"STATE"}});
    for (const PortRow& row : reply.ports)
        table.add_row(
            {{std::to_string(row.port)}, {row.name.empty() ? "-" : printable(row.name)}, {row.state}});
    std::string text = reply.ports.empty() ? "" : table.text(style);
    return text + std::to_string(reply.free) + " free in " + std::to_string(reply.first) + "-" +
           std::to_string(reply.last) + "\n";
}

std::string ports_json(const PortsReply& reply) {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    out.key("first");
    out.number(std::uint64_t{reply.first});
    out.key("last");
    out.number(std::uint64_t{reply.last});
    out.key("free");
    out.number(std::uint64_t{reply.free});
    out.key("ports");
    out.begin_array();
    for (const PortRow& row : reply.ports) {
        out.begin_object();
        out.key("port");
        out.number(std::uint64_t{row.port});
        out.key("name");
        out.string_or_null(row.name);
        out.key("state");
        out.string(row.state);
        out.end_object();
    }
    out.end_array();
    out.end_object();
    return text + "\n";
}

std::string config_text(const ConfigReply& reply, const Style& style) {
    Table table;
    for (const ConfigValue& each : reply.values)
        table.add_row({{each.key + " = " + printable(each.value)}, {"# " + each.source, Color::Dim}});
    return table.text(style);
}

std::string config_json(const ConfigReply& reply) {
    std::string text = "[";
    for (const ConfigValue& each : reply.values) {
        text += text.size() == 1 ? "\n" : ",\n";
        JsonWriter out(text);
        out.begin_object();
        out.key("key");
        out.string(each.key);
        out.key("value");
        out.string(each.value);
        out.key("source");
        out.string(each.source);
        out.end_object();
    }
    return text + (reply.values.empty() ? "]\n" : "\n]\n");
}

std::string changes_text(const std::vector<Change>& changes, bool dry_run, const Style& style) {
    constexpr std::array<std::string_view, 5> actions = {"start", "stop", "replace", "update", "keep"};
    std::array<std::size_t, 5> counts{};
    Table table;
    for (const Change& each : changes) {
        const auto* place = std::find(actions.begin(), actions.end(), each.action);
        if (place != actions.end()) ++counts.at(static_cast<std::size_t>(place - actions.begin()));
        if (each.action == "keep") continue;
        table.add_row({{each.action, color_of_action(each.action)},
                       {printable(each.instance)},
                       {printable(each.reason)}});
    }
    std::string summary;
    for (std::size_t i = 0; i < actions.size(); ++i) {
        if (counts.at(i) == 0) continue;
        summary += (summary.empty() ? "" : ", ") + std::to_string(counts.at(i)) + " " +
                   (dry_run && actions.at(i) != "keep" ? "would be " : "") + std::string(past(actions.at(i)));
    }
    if (!changes_anything(changes)) summary = "nothing changes" + (summary.empty() ? "" : ": " + summary);
    return table.text(style) + summary + "\n";
}

std::string changes_json(const std::vector<Change>& changes, bool converged) {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    out.key("changes");
    out.begin_array();
    for (const Change& each : changes) {
        out.begin_object();
        out.key("instance");
        out.string(each.instance);
        out.key("action");
        out.string(each.action);
        out.key("reason");
        out.string(each.reason);
        out.end_object();
    }
    out.end_array();
    out.key("converged");
    out.boolean(converged);
    out.end_object();
    return text + "\n";
}

bool changes_anything(const std::vector<Change>& changes) {
    return std::any_of(changes.begin(), changes.end(),
                       [](const Change& each) { return each.action != "keep"; });
}

std::string error_json(const Error& error) {
    constexpr std::array<std::string_view, 7> kinds = {"failed",      "invalid", "unsettled", "not_found",
                                                       "unavailable", "timeout", "denied"};
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    out.key("error");
    out.begin_object();
    out.key("code");
    out.number(std::int64_t{exit_status(error.kind)});
    out.key("kind");
    out.string(kinds.at(static_cast<std::size_t>(error.kind)));
    out.key("message");
    out.string(error.message);
    out.end_object();
    out.end_object();
    return text + "\n";
}

}  // namespace pmctl
