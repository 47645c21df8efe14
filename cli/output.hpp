// Replies as people read them and as programs do: tables, lines, JSON. Pure but for the time zone; printing
// is Printer's.
#pragma once

#include <string>
#include <vector>

#include "cli/table.hpp"
#include "shared/protocol.hpp"

namespace pmctl {

// In local time: "12:03:11.123", and "2026-11-22 12:03:11.123".
std::string clock_text(WallTime when);
std::string date_text(WallTime when);
// "12:03", with its date where that is not the one of `now`: "2026-11-22 12:03".
std::string minute_text(WallTime when, WallTime now);

// NAME STATE PID PORT HOSTNAME UPTIME RESTARTS HEALTH, ORIGIN where one comes from the admin
// service, and REASON when a row has something to say.
std::string status_table(const std::vector<StatusRow>& rows, const Style& style);
std::string status_names(const std::vector<StatusRow>& rows);
// "web  Running  pid 4242  port 30001  up 3s": one line on how it ended up.
std::string outcome_line(const StatusRow& row, const Style& style);
// "'web': Failed: exited with 1; next start in 2 s"
std::string what_is_wrong(const StatusRow& row);
// 0 when every row that counts is Running, else 3. Those that are meant to be stopped count when they were
// named.
int status_exit(const std::vector<StatusRow>& rows, bool named);

// `status NAME`
std::string full_view(const DescribeReply& reply, const Style& style);

std::string event_line(const EventRow& event, const Style& style);
std::string event_json(const EventRow& event);
std::string why_text(const WhyReply& reply, const Style& style);
std::string why_json(const WhyReply& reply);
std::string ports_text(const PortsReply& reply, const Style& style);
std::string ports_json(const PortsReply& reply);
// output_routes.cpp: HOSTNAME UPSTREAM INSTANCE STATE
std::string routes_text(const RoutesReply& reply, const Style& style);
std::string routes_json(const RoutesReply& reply);
// 3 where one host was asked for that leads nowhere.
int routes_exit(const RoutesReply& reply, bool one);
// output_admin.cpp
std::string admin_text(const AdminReply& reply, const Style& style);
std::string admin_json(const AdminReply& reply);
// 0 when it answers, else 3.
int admin_exit(const AdminReply& reply);
// "admin: unreachable since 12:03 (connection refused), using the state of 11:58"
std::string admin_notice(const AdminOutage& outage, WallTime now);
// output_report.cpp
std::string report_text(const ReportReply& reply, const Style& style);
std::string report_json(const ReportReply& reply);
std::string config_text(const ConfigReply& reply, const Style& style);
std::string config_json(const ConfigReply& reply);

// One line a change and a summary, "1 replaced, 2 kept"; what is kept is counted alone. `dry_run`: in the
// words of what would be.
std::string changes_text(const std::vector<Change>& changes, bool dry_run, const Style& style);
std::string changes_json(const std::vector<Change>& changes, bool converged);
bool changes_anything(const std::vector<Change>& changes);

std::string error_json(const Error& error);

}  // namespace pmctl
