// The fields of every message, each named once: the same table writes and reads. `visit(key, value)` is
// called for each, `visit.need` for those that a request must have.
#pragma once

#include <concepts>
#include <type_traits>

#include "shared/protocol.hpp"

namespace pmctl {

// `Is<T> auto&` takes a T and a const T.
template <class T, class Wanted>
concept Is = std::same_as<std::remove_const_t<T>, Wanted>;

void fields(auto& visit, Is<Targets> auto& m) {
    visit("targets", m.names);
    visit("all", m.all);
}

void fields(auto&, Is<HelloRequest> auto&) {}
void fields(auto& visit, Is<StatusRequest> auto& m) {
    fields(visit, m.targets);
    visit("since", m.since);
    visit.milliseconds("wait_ms", m.wait);
    visit("in_full", m.in_full);
}
void fields(auto& visit, Is<DescribeRequest> auto& m) {
    visit.need("name", m.name);
}
void fields(auto& visit, Is<StartRequest> auto& m) {
    fields(visit, m.targets);
}
void fields(auto& visit, Is<StopRequest> auto& m) {
    fields(visit, m.targets);
}
void fields(auto& visit, Is<RestartRequest> auto& m) {
    fields(visit, m.targets);
    visit("rolling", m.rolling);
}
void fields(auto& visit, Is<ReloadRequest> auto& m) {
    visit("dry_run", m.dry_run);
    visit("partial", m.partial);
}
void fields(auto& visit, Is<LogsRequest> auto& m) {
    fields(visit, m.targets);
    visit("stdout", m.want_stdout);
    visit("stderr", m.want_stderr);
    visit("lines", m.lines);
    visit("since", m.since);
    visit("cursor", m.cursor);
    visit.milliseconds("wait_ms", m.wait);
}
void fields(auto& visit, Is<EventsRequest> auto& m) {
    fields(visit, m.targets);
    visit("cursor", m.cursor);
    visit("lines", m.lines);
    visit.milliseconds("wait_ms", m.wait);
}
void fields(auto& visit, Is<WhyRequest> auto& m) {
    visit.need("name", m.name);
}
void fields(auto& visit, Is<ConfigRequest> auto& m) {
    visit("id", m.id);
    visit("show_secrets", m.show_secrets);
}
void fields(auto&, Is<PortsRequest> auto&) {}
void fields(auto& visit, Is<ScaleRequest> auto& m) {
    visit.need("replicas", m.replicas);
}
void fields(auto& visit, Is<SignalRequest> auto& m) {
    visit.need("signal", m.signal);
    fields(visit, m.targets);
}
void fields(auto& visit, Is<ResetRequest> auto& m) {
    fields(visit, m.targets);
}
void fields(auto&, Is<AdminRequest> auto&) {}
void fields(auto& visit, Is<RoutesRequest> auto& m) {
    visit("hostname", m.hostname);
    visit("since", m.since);
    visit.milliseconds("wait_ms", m.wait);
}
void fields(auto& visit, Is<ReportRequest> auto& m) {
    fields(visit, m.targets);
    visit("since", m.since);
}
void fields(auto& visit, Is<UpgradeRequest> auto& m) {
    visit.milliseconds("wait_ms", m.wait);
}
void fields(auto& visit, Is<DownRequest> auto& m) {
    visit("now", m.now);
}

void fields(auto& visit, Is<HelloReply> auto& m) {
    visit("protocol", m.protocol);
    visit("version", m.version);
    visit("pid", m.pid);
    visit("config_path", m.config_path);
    visit("started_at", m.started_at);
}
void fields(auto& visit, Is<ExitText> auto& m) {
    visit("code", m.code);
    visit("signal", m.signal);
}
void fields(auto& visit, Is<HealthRow> auto& m) {
    visit("ok", m.ok);
    visit("checked_at", m.checked_at);
    visit("latency_ns", m.latency);
    visit("failures", m.failures);
    visit("error", m.error);
}
void fields(auto& visit, Is<UpdateRow> auto& m) {
    visit("state", m.state);
    visit("reason", m.reason);
}
void fields(auto& visit, Is<StatusRow> auto& m) {
    visit("name", m.name);
    visit("instance", m.instance);
    visit("app", m.app);
    visit("group", m.group);
    visit("origin", m.origin);
    visit("wanted", m.wanted);
    visit("state", m.state);
    visit("reason", m.reason);
    visit("pid", m.pid);
    visit("port", m.port);
    visit("hostnames", m.hostnames);
    visit("started_at", m.started_at);
    visit("uptime_ns", m.uptime);
    visit("restarts", m.restarts);
    visit("exit_status", m.exit_status);
    visit("next_start_at", m.next_start_at);
    visit("health", m.health);
    visit("update", m.update);
    visit("spec", m.spec);
    visit("limits", m.limits);
    visit("run", m.run);
    visit("change", m.change);
    visit("outlook", m.outlook);
}
void fields(auto& visit, Is<AdminOutage> auto& m) {
    visit("since", m.since);
    visit("why", m.why);
    visit("refused", m.refused);
    visit("waits_for", m.waits_for);
    visit("state_of", m.state_of);
}
void fields(auto& visit, Is<LogLine> auto& m) {
    visit("name", m.name);
    visit("at", m.at);
    visit("stderr", m.is_stderr);
    visit("partial", m.partial);
    visit.bytes("text", "base64", m.text);
}
void fields(auto& visit, Is<DescribeReply> auto& m) {
    visit("row", m.row);
    visit("command", m.command);
    visit("working_dir", m.working_dir);
    visit("next_action", m.next_action);
    visit("description", m.description);
    visit("log_path", m.log_path);
    visit("hints", m.hints);
    visit("outgoing", m.outgoing);
    visit("logs", m.logs);
}
void fields(auto& visit, Is<StatusReply> auto& m) {
    visit("generation", m.generation);
    visit("rows", m.rows);
    visit("gone", m.gone);
    visit("notice", m.notice);
    visit("admin", m.admin);
    visit("one", m.one);
}
void fields(auto& visit, Is<ActionReply::Item> auto& m) {
    visit("name", m.name);
    visit("run", m.run);
    visit("note", m.note);
    visit("state", m.state);
}
void fields(auto& visit, Is<ActionReply> auto& m) {
    visit("generation", m.generation);
    visit("items", m.items);
}
void fields(auto& visit, Is<Change> auto& m) {
    visit("instance", m.instance);
    visit("action", m.action);
    visit("reason", m.reason);
}
void fields(auto& visit, Is<ReloadReply> auto& m) {
    visit("generation", m.generation);
    visit("changes", m.changes);
    visit("stale", m.stale);
    visit("warnings", m.warnings);
}
void fields(auto& visit, Is<LogsReply> auto& m) {
    visit("lines", m.lines);
    visit("cursor", m.cursor);
    visit("more", m.more);
    visit("warnings", m.warnings);
}
void fields(auto& visit, Is<EventRow> auto& m) {
    visit("number", m.number);
    visit("at", m.at);
    visit("name", m.name);
    visit("kind", m.kind);
    visit("text", m.text);
}
void fields(auto& visit, Is<EventsReply> auto& m) {
    visit("events", m.events);
    visit("cursor", m.cursor);
}
void fields(auto& visit, Is<WhyReply> auto& m) {
    visit("row", m.row);
    visit("story", m.story);
    visit("next", m.next);
}
void fields(auto& visit, Is<ConfigValue> auto& m) {
    visit("key", m.key);
    visit("value", m.value);
    visit("source", m.source);
}
void fields(auto& visit, Is<ConfigReply> auto& m) {
    visit("values", m.values);
}
void fields(auto& visit, Is<OmissionRow> auto& m) {
    visit("id", m.id);
    visit("reason", m.reason);
}
void fields(auto& visit, Is<AdminReply> auto& m) {
    visit("url", m.url);
    visit("instance", m.instance);
    visit("mode", m.mode);
    visit("event", m.event);
    visit("succeeded_at", m.succeeded_at);
    visit("fetched_at", m.fetched_at);
    visit("failing_since", m.failing_since);
    visit("error", m.error);
    visit("refused", m.refused);
    visit("failures", m.failures);
    visit("poll_error", m.poll_error);
    visit("next_try", m.next_try);
    visit("instances", m.instances);
    visit("left_out", m.left_out);
    visit("held", m.held);
    visit("applied", m.applied);
    visit("latency_ns", m.latency);
    visit("median_latency_ns", m.median_latency);
    visit("longest_latency_ns", m.longest_latency);
}
void fields(auto& visit, Is<RouteLine> auto& m) {
    visit("hostname", m.hostname);
    visit("upstream", m.upstream);
    visit("name", m.name);
    visit("state", m.state);
}
void fields(auto& visit, Is<RoutesReply> auto& m) {
    visit("generation", m.generation);
    visit("routes", m.routes);
}
void fields(auto& visit, Is<DurationFigures> auto& m) {
    visit("count", m.count);
    visit("mean_ns", m.mean);
    visit("p50_ns", m.p50);
    visit("p99_ns", m.p99);
    visit("worst_ns", m.worst);
}
void fields(auto& visit, Is<ReportRow> auto& m) {
    visit("name", m.name);
    visit("wanted_ns", m.wanted);
    visit("served_ns", m.served);
    visit("failures", m.failures);
    visit("updates", m.updates);
    visit("failed_updates", m.failed_updates);
    visit("recoveries", m.recoveries);
    visit("missed_since", m.missed_since);
}
void fields(auto& visit, Is<ReportReply> auto& m) {
    visit("since", m.since);
    visit("covered_since", m.covered_since);
    visit("until", m.until);
    visit("not_watched_ns", m.not_watched);
    visit("rows", m.rows);
    visit("total", m.total);
    visit("configuration", m.configuration);
    visit("cpu_ns", m.cpu);
    visit("uptime_ns", m.uptime);
    visit("resident_bytes", m.resident_bytes);
}
void fields(auto& visit, Is<PortRow> auto& m) {
    visit("port", m.port);
    visit("name", m.name);
    visit("state", m.state);
}
void fields(auto& visit, Is<PortsReply> auto& m) {
    visit("first", m.first);
    visit("last", m.last);
    visit("free", m.free);
    visit("ports", m.ports);
}

}  // namespace pmctl
