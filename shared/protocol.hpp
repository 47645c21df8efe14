// Every Request and Reply that pmctl and pmctld exchange, as plain structs, and their JSON-RPC 2.0 text.
// What a request means is supervisor/commands; how a reply is shown is cli/output.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "shared/report_reply.hpp"
#include "shared/result.hpp"
#include "shared/time.hpp"

namespace pmctl {

constexpr int protocol_version = 1;
constexpr std::size_t max_message_bytes = std::size_t{1} << 20;  // of one request

// An id, a replica (`web:1`), a group (`@web`), a glob (`web-*`); none and not `all`: for reading commands
// all.
struct Targets {
    std::vector<std::string> names;
    bool all = false;

    bool operator==(const Targets&) const = default;
};

struct HelloRequest {
    bool operator==(const HelloRequest&) const = default;
};
// With `since`: only rows that changed after that generation; parked up to `wait` while there is none.
struct StatusRequest {
    Targets targets;
    std::uint64_t since = 0;
    Duration wait{};
    bool in_full = false;  // where it is one replica
    bool operator==(const StatusRequest&) const = default;
};
// `status NAME`: one instance in full.
struct DescribeRequest {
    std::string name;
    bool operator==(const DescribeRequest&) const = default;
};
struct StartRequest {
    Targets targets;
    bool operator==(const StartRequest&) const = default;
};
struct StopRequest {
    Targets targets;
    bool operator==(const StopRequest&) const = default;
};
struct RestartRequest {
    Targets targets;
    bool rolling = false;
    bool operator==(const RestartRequest&) const = default;
};
struct ReloadRequest {
    bool dry_run = false;
    bool partial = false;  // what a start that named others left at rest stays so
    bool operator==(const ReloadRequest&) const = default;
};
struct LogsRequest {
    Targets targets;
    bool want_stdout = true;
    bool want_stderr = true;
    std::optional<std::uint64_t> lines;  // the last so many of each target; absent: all
    std::optional<WallTime> since;
    std::string cursor;  // "": from the beginning that `lines` and `since` say; else go on there
    Duration wait{};     // parked up to this while there is nothing after the cursor
    bool operator==(const LogsRequest&) const = default;
};
struct EventsRequest {
    Targets targets;
    std::uint64_t cursor = 0;            // events with a higher number
    std::optional<std::uint64_t> lines;  // with cursor 0: the last so many
    Duration wait{};
    bool operator==(const EventsRequest&) const = default;
};
struct WhyRequest {
    std::string name;
    bool operator==(const WhyRequest&) const = default;
};
struct ConfigRequest {
    std::string id;  // "": the whole
    bool show_secrets = false;
    bool operator==(const ConfigRequest&) const = default;
};
struct PortsRequest {
    bool operator==(const PortsRequest&) const = default;
};
struct ScaleRequest {
    std::map<std::string, std::uint32_t> replicas;  // id → how many
    bool operator==(const ScaleRequest&) const = default;
};
struct SignalRequest {
    std::string signal;  // "HUP", "SIGHUP", "1"
    Targets targets;
    bool operator==(const SignalRequest&) const = default;
};
struct ResetRequest {
    Targets targets;
    bool operator==(const ResetRequest&) const = default;
};
struct AdminRequest {
    bool operator==(const AdminRequest&) const = default;
};
// With `since`: answered when the table is another than that generation, or after `wait`.
struct RoutesRequest {
    std::string hostname;  // as a client sends it; "": all
    std::uint64_t since = 0;
    Duration wait{};
    bool operator==(const RoutesRequest&) const = default;
};
struct ReportRequest {
    Targets targets;
    std::optional<WallTime> since;  // absent: 24 hours ago
    bool operator==(const ReportRequest&) const = default;
};
// No reply is a good one: the connection ends when the new program takes over, and its Hello has another
// `started_at`. Errors are answered, after at most `wait`, and nothing has changed then.
struct UpgradeRequest {
    Duration wait{};
    bool operator==(const UpgradeRequest&) const = default;
};
struct DownRequest {
    bool now = false;  // KILL at once, no grace
    bool operator==(const DownRequest&) const = default;
};

using Request = std::variant<HelloRequest, StatusRequest, DescribeRequest, StartRequest, StopRequest,
                             RestartRequest, ReloadRequest, LogsRequest, EventsRequest, WhyRequest,
                             ConfigRequest, PortsRequest, ScaleRequest, SignalRequest, ResetRequest,
                             DownRequest, AdminRequest, RoutesRequest, ReportRequest, UpgradeRequest>;

struct HelloReply {
    int protocol = protocol_version;
    std::string version;
    int pid = 0;
    std::string config_path;
    WallTime started_at{};  // of this program, in this process
    bool operator==(const HelloReply&) const = default;
};

struct ExitText {
    std::optional<int> code;
    std::string signal;  // "SIGKILL"; both empty: unknown
    bool operator==(const ExitText&) const = default;
};
struct HealthRow {
    bool ok = false;
    WallTime checked_at{};
    Duration latency{};
    std::uint32_t failures = 0;  // in a row
    std::string error;           // "" when ok
    bool operator==(const HealthRow&) const = default;
};
struct UpdateRow {
    std::string state;  // rolling, failed
    std::string reason;
    bool operator==(const UpdateRow&) const = default;
};
// Where a replica is on its way to what is wanted: what waiting commands look at.
enum class Outlook {
    Settled,  // it is as wanted, and the specification is the configured one
    Pending,  // on its way
    Stuck,    // Failed, or waits for one that is: it may heal, but the way there was not straight
};

// One replica: the object of `status --json`.
struct StatusRow {
    std::string name;
    std::string instance;
    std::string app;
    std::string group;
    std::string origin;  // static, admin, both
    std::string wanted;  // running, stopped
    std::string state;   // Unknown Starting Running Unhealthy Stopping Stopped Failed
    std::string reason;
    std::optional<int> pid;
    std::optional<std::uint16_t> port;
    std::vector<std::string> hostnames;
    std::optional<WallTime> started_at;
    std::optional<Duration> uptime;
    std::uint64_t restarts = 0;
    std::optional<ExitText> exit_status;
    std::optional<WallTime> next_start_at;
    std::optional<HealthRow> health;
    std::optional<UpdateRow> update;
    std::string spec = "current";               // current, stale
    std::map<std::string, std::string> limits;  // in force: "memory" → "512MiB"; empty: none

    // For waiting commands, not part of `--json`:
    std::uint64_t run = 0;     // of the current or last process
    std::uint64_t change = 0;  // the generation of this row's last change
    Outlook outlook = Outlook::Pending;
    bool operator==(const StatusRow&) const = default;
};
// The admin service is not to be had: what is in force is its last good state.
struct AdminOutage {
    std::optional<WallTime> since;     // absent: not asked at all, see `waits_for`
    std::string why;                   // in words, one line
    bool refused = false;              // the service does not accept the secret
    std::string waits_for;             // the instance that is the service and is not Running; "" otherwise
    std::optional<WallTime> state_of;  // when what is in force was fetched; absent: there is nothing
    bool operator==(const AdminOutage&) const = default;
};
struct LogLine {
    std::string name;
    WallTime at{};
    bool is_stderr = false;
    bool partial = false;  // CRI "P": the line goes on in the next of this stream
    std::string text;
    bool operator==(const LogLine&) const = default;
};
struct DescribeReply {
    StatusRow row;
    std::vector<std::string> command;
    std::string working_dir;
    std::string next_action;  // "checked in 3 s", "started in 2 s", "" for nothing
    std::string description;
    std::string log_path;
    std::vector<std::pair<std::string, std::string>> hints;  // a command to try → why
    std::vector<std::string> outgoing;                       // "pid 42 on port 30000: drains, …"
    std::vector<LogLine> logs;                               // the last ones
    bool operator==(const DescribeReply&) const = default;
};
struct StatusReply {
    std::uint64_t generation = 0;
    std::vector<StatusRow> rows;    // by name; replicas of one instance by number
    std::vector<std::string> gone;  // names that ceased to exist after `since`
    std::string notice;             // about the supervisor as a whole, one line; "" usually
    std::optional<AdminOutage> admin;
    std::optional<DescribeReply> one;  // in full
    bool operator==(const StatusReply&) const = default;
};
// start, stop, restart, scale, signal, reset, down: who is concerned. A waiting pmctl follows with
// StatusRequest.
struct ActionReply {
    struct Item {
        std::string name;
        std::uint64_t run = 0;  // the run before the action: a restart is over when a later one is settled
        std::string note;       // "was running already", "" usually
        std::string state;      // what the action has made of it so far: "Stopping", "Starting"
        bool operator==(const Item&) const = default;
    };
    std::uint64_t generation = 0;
    std::vector<Item> items;
    bool operator==(const ActionReply&) const = default;
};
struct Change {
    std::string instance;  // the replica's name
    std::string action;    // start stop replace update keep
    std::string reason;
    bool operator==(const Change&) const = default;
};
struct ReloadReply {
    std::uint64_t generation = 0;
    std::vector<Change> changes;
    std::vector<std::string> stale;  // of those kept, what does not run as configured: an update failed, say
    std::vector<std::string> warnings;  // "[supervisor] log_level is used from the next start on"
    bool operator==(const ReloadReply&) const = default;
};
struct LogsReply {
    std::vector<LogLine> lines;
    std::string cursor;
    bool more = false;                  // ask again at once: not all fitted
    std::vector<std::string> warnings;  // "'web': 12 MiB were rotated away before they were read"
    bool operator==(const LogsReply&) const = default;
};
struct EventRow {
    std::uint64_t number = 0;
    WallTime at{};
    std::string name;
    std::string kind;
    std::string text;
    bool operator==(const EventRow&) const = default;
};
struct EventsReply {
    std::vector<EventRow> events;
    std::uint64_t cursor = 0;
    bool operator==(const EventsReply&) const = default;
};
struct WhyReply {
    StatusRow row;
    std::vector<EventRow> story;  // oldest first
    std::string next;             // what comes next and when
    bool operator==(const WhyReply&) const = default;
};
struct ConfigValue {
    std::string key;     // "instances.web.health.interval"
    std::string value;   // as TOML
    std::string source;  // "/etc/pmctl/pmctl.toml:12", "admin event 42", "default"
    bool operator==(const ConfigValue&) const = default;
};
struct ConfigReply {
    std::vector<ConfigValue> values;
    bool operator==(const ConfigReply&) const = default;
};
struct PortRow {
    std::uint16_t port = 0;
    std::string name;   // of the replica; "" for one that rests
    std::string state;  // used, candidate, draining, listening (kept by socket activation)
    bool operator==(const PortRow&) const = default;
};
struct PortsReply {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    std::uint32_t free = 0;
    std::vector<PortRow> ports;
    bool operator==(const PortsReply&) const = default;
};

// An entry of the admin service, or a field of one, that does not count.
struct OmissionRow {
    std::string id;
    std::string reason;
    bool operator==(const OmissionRow&) const = default;
};
struct AdminReply {
    std::string url;       // "": not known
    std::string instance;  // of [admin]: the service is this one; "" with a fixed url
    std::string mode;      // poll, interval (the service has no poll, or it fails), waiting (for `instance`)
    std::uint64_t event = 0;                // the last one seen
    std::optional<WallTime> succeeded_at;   // the last call that did not fail
    std::optional<WallTime> fetched_at;     // when what is in force was found to be so
    std::optional<WallTime> failing_since;  // absent: it answers
    std::string error;                      // the last failure, while it lasts
    bool refused = false;                   // the service does not accept the secret
    std::uint64_t failures = 0;             // in a row
    std::string poll_error;                 // polls alone fail
    std::optional<WallTime> next_try;       // where something has to be tried again, or with interval
    std::uint64_t instances = 0;            // entries in force
    std::vector<OmissionRow> left_out;      // sorted by id
    std::vector<std::string> held;          // mass removal: in force until the service repeats it
    std::uint64_t applied = 0;              // configurations since the supervisor's start
    Duration latency{};                     // of the last: from its event to what came of it
    Duration median_latency{};              // of the last hundred
    Duration longest_latency{};
    bool operator==(const AdminReply&) const = default;
};

struct RouteLine {
    std::string hostname;
    std::string upstream;  // "127.0.0.1:30001"; "": no healthy run
    std::string name;      // of the replica; of the instance where there is no upstream
    std::string state;     // of that
    bool operator==(const RouteLine&) const = default;
};
struct RoutesReply {
    std::uint64_t generation = 0;
    std::vector<RouteLine> routes;  // by hostname
    bool operator==(const RoutesReply&) const = default;
};

using Reply =
    std::variant<HelloReply, StatusReply, DescribeReply, ActionReply, ReloadReply, LogsReply, EventsReply,
                 WhyReply, ConfigReply, PortsReply, AdminReply, RoutesReply, ReportReply>;

// JSON-RPC 2.0 texts: the method is the command's name, the result an object with its "type". Durations are
// nanoseconds (`wait_ms`: milliseconds), times RFC 3339 with nine digits. Unknown fields are ignored, absent
// ones have their default, so that an older and a newer program understand each other. Bytes that are no
// UTF-8 are sent as U+FFFD; of log lines, which are to arrive as they were written, in base64 besides.
std::string to_text(std::uint64_t id, const Request& request);
std::string to_text(std::uint64_t id, const Reply& reply);
// code -32000 - exit_status, and data {"kind":"not_found","exit":4}
std::string error_text(std::uint64_t id, const Error& error);
// The method's name: "status".
std::string_view name_of(const Request& request);

struct IncomingRequest {
    std::uint64_t id = 0;
    Request request;
};
// Why a text is no request. The codes are those of the JSON-RPC 2.0 specification, section 5.1.
struct Refusal {
    static constexpr int no_json = -32700;
    static constexpr int no_request = -32600;
    static constexpr int no_method = -32601;
    static constexpr int wrong_params = -32602;

    std::optional<std::uint64_t> id;  // where it could be read
    int code = no_request;
    std::string message;
};
std::string to_text(const Refusal& refusal);
// A request without an id is refused: there are no notifications here.
tl::expected<IncomingRequest, Refusal> parse_request(std::string_view text);
// The reply to request `id`; an error that the supervisor sent comes back as that Error.
Result<Reply> parse_reply(std::string_view text, std::uint64_t id);

// How long this request asks to be parked for while it has nothing to say; zero for most.
Duration wait_of(const Request& request);
// The object of `status --json` with the keys that pmctl(1) lists, and no other.
std::string status_json(const std::vector<StatusRow>& rows);

}  // namespace pmctl
