// The parts of output.hpp that show replicas.
#include <algorithm>

#include "cli/output.hpp"
#include "cli/wait.hpp"

namespace pmctl {

namespace {

Color color_of(const std::string& state) {
    if (state == "Running") return Color::Green;
    if (state == "Failed" || state == "Unhealthy") return Color::Red;
    return state == "Starting" || state == "Stopping" ? Color::Yellow : Color::Dim;
}

std::string hostname_of(const StatusRow& row) {
    if (row.hostnames.empty()) return "-";
    const std::string more = row.hostnames.size() > 1 ? " +" + std::to_string(row.hostnames.size() - 1) : "";
    return printable(row.hostnames.front()) + more;
}

std::string health_of(const StatusRow& row) {
    if (!row.health) return "-";
    if (!row.health->ok) return std::to_string(row.health->failures) + " failed";
    return row.health->latency < std::chrono::milliseconds(1)
               ? "ok <1ms"
               : "ok " + describe_duration(row.health->latency);
}

std::string reason_of(const StatusRow& row) {
    std::string text = printable(row.reason);
    const auto add = [&](const std::string& more) { text += (text.empty() ? "" : "; ") + more; };
    if (row.update)
        add(row.update->state + " update" + (row.update->reason.empty() ? "" : ": " + row.update->reason));
    if (row.spec != "current") add("spec is " + row.spec);
    return text;
}

template <class T>
std::string or_dash(const std::optional<T>& number) {
    return number ? std::to_string(*number) : "-";
}

std::string quoted(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        const bool plain =
            !word.empty() && word.find_first_of(" \t\n'\"\\$*?;&|<>()#`~[]{}!") == std::string::npos;
        text += (text.empty() ? "" : " ") + (plain ? word : "'" + word + "'");
    }
    return printable(text);
}

std::string last_exit_of(const StatusRow& row) {
    if (!row.exit_status) return "";
    if (row.exit_status->code) return "exited with " + std::to_string(*row.exit_status->code);
    return row.exit_status->signal.empty() ? "ended, exit status unknown"
                                           : "killed by " + row.exit_status->signal;
}

std::string last_check_of(const StatusRow& row) {
    if (!row.health) return "";
    const HealthRow& health = *row.health;
    std::string text = health.ok ? "ok in " + describe_duration(health.latency)
                                 : "failed: " + printable(health.error) + " (" +
                                       std::to_string(health.failures) + " in a row)";
    return text + ", at " + clock_text(health.checked_at);
}

}  // namespace

std::string status_table(const std::vector<StatusRow>& rows, const Style& style) {
    const bool reasons =
        std::any_of(rows.begin(), rows.end(), [](const StatusRow& row) { return !reason_of(row).empty(); });
    const bool origins = std::any_of(rows.begin(), rows.end(), [](const StatusRow& row) {
        return row.origin == "admin" || row.origin == "both";
    });
    Table table;
    std::vector<Table::Cell> head = {{"NAME"},     {"STATE"},  {"PID"},      {"PORT"},
                                     {"HOSTNAME"}, {"UPTIME"}, {"RESTARTS"}, {"HEALTH"}};
    if (origins) head.push_back({"ORIGIN"});
    if (reasons) head.push_back({"REASON"});
    table.add_row(std::move(head));
    for (const StatusRow& row : rows) {
        const bool bad = row.health && !row.health->ok;
        std::vector<Table::Cell> cells = {{printable(row.name), Color::Bold},
                                          {row.state, color_of(row.state)},
                                          {or_dash(row.pid)},
                                          {or_dash(row.port)},
                                          {hostname_of(row)},
                                          {row.uptime ? describe_duration(*row.uptime) : "-"},
                                          {std::to_string(row.restarts)},
                                          {health_of(row), bad ? Color::Red : Color::None}};
        if (origins) cells.push_back({row.origin});
        if (reasons) cells.push_back({reason_of(row)});
        table.add_row(std::move(cells));
    }
    return table.text(style);
}

std::string status_names(const std::vector<StatusRow>& rows) {
    std::string text;
    for (const StatusRow& row : rows) text += row.name + "\n";
    return text;
}

std::string outcome_line(const StatusRow& row, const Style& style) {
    std::string text =
        paint(printable(row.name), Color::Bold, style) + "  " + paint(row.state, color_of(row.state), style);
    if (row.state != "Running") {
        if (!row.reason.empty()) text += "  " + printable(row.reason);
        return text + "\n";
    }
    if (row.pid) text += "  pid " + std::to_string(*row.pid);
    if (row.port) text += "  port " + std::to_string(*row.port);
    if (row.uptime) text += "  up " + describe_duration(*row.uptime);
    return text + "\n";
}

std::string what_is_wrong(const StatusRow& row) {
    std::string text = "'" + printable(row.name) + "': " + row.state;
    const std::string reason = reason_of(row);
    return reason.empty() ? text : text + ": " + reason;
}

int status_exit(const std::vector<StatusRow>& rows, bool named) {
    const bool good = std::all_of(rows.begin(), rows.end(), [&](const StatusRow& row) {
        const bool rests = row.wanted == "stopped" || is_up(row);
        return row.state == "Running" || (!named && rests);
    });
    return good ? 0 : exit_status(ErrorKind::Unsettled);
}

std::string full_view(const DescribeReply& reply, const Style& style) {
    const StatusRow& row = reply.row;
    std::string text = paint(printable(row.name), Color::Bold, style);
    if (!reply.description.empty()) text += ": " + printable(reply.description);
    text += "\n";
    Table table;
    const auto line = [&](const std::string& key, const std::string& value, Color color = Color::None) {
        if (!value.empty()) table.add_row({{"  " + key}, {value, color}});
    };
    line("state", row.state + (row.reason.empty() ? "" : ": " + printable(row.reason)), color_of(row.state));
    line("wanted", row.wanted);
    line("next", printable(reply.next_action));
    if (row.pid) line("pid", std::to_string(*row.pid));
    if (row.port) line("port", std::to_string(*row.port));
    std::string hostnames;
    for (const std::string& each : row.hostnames)
        hostnames += (hostnames.empty() ? "" : ", ") + printable(each);
    line("hostname", hostnames);
    if (row.started_at) line("started", date_text(*row.started_at));
    if (row.uptime) line("uptime", describe_duration(*row.uptime));
    line("restarts", std::to_string(row.restarts));
    if (row.next_start_at) line("next start", date_text(*row.next_start_at));
    line("last exit", last_exit_of(row));
    line("last check", last_check_of(row), row.health && !row.health->ok ? Color::Red : Color::None);
    if (row.update)
        line("update",
             row.update->state + (row.update->reason.empty() ? "" : ": " + printable(row.update->reason)),
             row.update->state == "failed" ? Color::Red : Color::None);
    for (const std::string& each : reply.outgoing) line("goes", printable(each));
    line("app", row.app);
    line("group", row.group);
    line("origin", row.origin);
    line("spec", row.spec == "current" ? "current" : row.spec + " (what runs is not what is configured)");
    line("command", quoted(reply.command));
    line("folder", printable(reply.working_dir));
    std::string limits;
    for (const auto& [key, value] : row.limits) limits += (limits.empty() ? "" : ", ") + key + " " + value;
    line("limits", limits);
    line("log", printable(reply.log_path));
    text += table.text(style);
    if (!reply.logs.empty()) text += "\n";
    for (const LogLine& each : reply.logs)
        text += "  " + paint(clock_text(each.at), Color::Dim, style) + "  " + printable(each.text) + "\n";
    if (!reply.hints.empty()) text += "\ntry:\n";
    Table hints;
    for (const auto& [command, why] : reply.hints) hints.add_row({{"  " + command}, {why, Color::Dim}});
    return text + hints.text(style);
}

}  // namespace pmctl
