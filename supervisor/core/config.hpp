// The configuration as typed values: all that one can set. How TOML becomes these is config_parse,
// config_merge and config_check; the table of keys, defaults and rules is settings.hpp. Nothing here knows
// TOML or files.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/time.hpp"

namespace pmctl {

enum class HealthKind { Http, Tcp, Exec, None };
enum class RestartMode { Always, OnFailure, Never };
enum class UpdateStrategy { Rolling, Recreate };
enum class MassRemoval { Confirm, Obey };

// What `port` says: "auto", "none" or a number.
struct PortWish {
    enum class Kind { Auto, None, Fixed };
    Kind kind = Kind::Auto;
    std::uint16_t number = 0;  // with Fixed

    bool operator==(const PortWish&) const = default;
};

struct LimitSettings {
    std::uint64_t open_files = 0;            // RLIMIT_NOFILE; 0: that of the supervisor's own start
    std::optional<std::uint64_t> core_size;  // RLIMIT_CORE, bytes; absent: inherited
    std::uint64_t memory = 0;                // memory.max, bytes; 0: none
    double cpu = 0.0;                        // cpu.max in cores; 0: none
    std::uint64_t tasks = 0;                 // pids.max; 0: none

    bool operator==(const LimitSettings&) const = default;
};

using Environment = std::map<std::string, std::string>;

// What a process is made of: a change means that it is replaced.
struct ProcessSpec {
    std::vector<std::string> command;  // ${NAME} not yet expanded: the port is known at the start alone
    std::string working_dir;           // absolute
    Environment env_file_values;       // as read when the configuration was
    Environment env;
    bool pass_internal_secret = false;
    std::string user;      // name or number; "": the supervisor's own
    std::string group_id;  // name or number; "": the user's own
    std::uint32_t umask = 0022;
    PortWish port;
    bool socket_activation = false;
    LimitSettings limits;
    std::string version;  // VERSION and DB_NAME come from the admin service alone
    std::string db_name;
    // With pass_internal_secret: another one when INTERNAL_SECRET is, and of no other meaning.
    std::uint64_t secret_mark = 0;

    bool operator==(const ProcessSpec&) const = default;
};

struct HealthSettings {
    HealthKind kind = HealthKind::Http;
    std::string path = "/api/status";
    std::vector<std::string> command;
    Duration interval = std::chrono::seconds(5);
    Duration retry_interval = std::chrono::seconds(1);
    Duration timeout = std::chrono::seconds(2);
    std::uint32_t unhealthy_after = 2;
    std::uint32_t restart_after = 3;
    std::uint32_t healthy_after = 1;
    Duration startup_timeout = std::chrono::seconds(60);
    bool keep_alive = true;

    bool operator==(const HealthSettings&) const = default;
};

struct RestartSettings {
    RestartMode mode = RestartMode::Always;
    Duration backoff_initial = std::chrono::seconds(1);
    Duration backoff_max = std::chrono::seconds(30);
    Duration reset_after = std::chrono::seconds(60);
    std::uint32_t circuit_failures = 8;
    Duration circuit_cooldown = std::chrono::minutes(5);

    bool operator==(const RestartSettings&) const = default;
};

struct UpdateSettings {
    UpdateStrategy strategy = UpdateStrategy::Rolling;
    Duration drain = std::chrono::seconds(5);
    Duration timeout = std::chrono::seconds(60);

    bool operator==(const UpdateSettings&) const = default;
};

struct LogSettings {
    std::uint64_t max_size = std::uint64_t{10} << 20;
    std::uint32_t max_files = 5;

    bool operator==(const LogSettings&) const = default;
};

// How a process is treated: a change is applied live.
struct Policy {
    HealthSettings health;
    RestartSettings restart;
    UpdateSettings update;
    LogSettings log;
    int stop_signal = 15;
    Duration stop_timeout = std::chrono::seconds(10);
    std::vector<std::string> depends_on;
    std::string group;
    std::string description;
    bool autostart = true;
    bool on_demand = false;
    Duration idle_timeout{};

    bool operator==(const Policy&) const = default;
};

// In place of an index into Config::files: the admin service said it.
constexpr std::uint32_t admin_file = std::numeric_limits<std::uint32_t>::max();

// Where the value of one key was said. Keys that are not listed have their default.
struct FieldSource {
    std::string key;         // "health.interval", "env.KEY"
    std::uint32_t file = 0;  // index into Config::files, or admin_file
    std::uint32_t line = 0;  // from 1; of the admin service 0: InstanceSpec::admin_event has its event

    bool operator==(const FieldSource&) const = default;
};

// Of one instance: more than a machine of today has use for, and a typo's bound.
constexpr std::uint32_t max_replicas = 1000;

enum class Origin { Static, Admin, Both };

// An entry of the admin service, or a field of one, that does not count, and why.
struct AdminOmission {
    std::string id;
    std::string reason;

    bool operator==(const AdminOmission&) const = default;
};

// One configured instance, complete: every key has its value. Shared by its replicas, never changed.
struct InstanceSpec {
    std::string id;
    std::string app;  // application id; "" without a template
    Origin origin = Origin::Static;
    std::uint64_t admin_event = 0;  // with which the admin service's entry came in this form; 0: not known
    bool enabled = true;
    std::uint32_t replicas = 1;
    ProcessSpec process;
    Policy policy;
    std::vector<std::string> hostnames;  // lower case, no final dot: the routes of this instance
    std::string env_file;              // absolute; "": none. What was read from it is process.env_file_values
    std::vector<FieldSource> sources;  // sorted by key; not part of what is compared at a reload

    bool operator==(const InstanceSpec&) const = default;
};
using SpecPtr = std::shared_ptr<const InstanceSpec>;

struct SupervisorSettings {
    std::string runtime_dir;  // absolute
    std::string state_dir;    // absolute
    std::string log_level = "info";
    std::string log_format = "text";
    std::uint32_t socket_mode = 0600;
    std::string socket_group;
    std::uint32_t max_starting = 16;

    bool operator==(const SupervisorSettings&) const = default;
};

struct PortRange {
    std::uint16_t first = 30000;
    std::uint16_t last = 31000;  // included

    bool operator==(const PortRange&) const = default;
};

struct AdminSettings {
    std::string url;
    std::string instance;
    std::string secret_file;
    std::string secret_env;
    std::string application_id;
    std::string ca_file;
    bool insecure = false;
    Duration poll_interval = std::chrono::seconds(5);
    Duration long_poll = std::chrono::seconds(50);
    std::vector<std::string> allow = {"hostname", "env", "replicas", "enabled", "version"};
    MassRemoval mass_removal = MassRemoval::Confirm;

    bool operator==(const AdminSettings&) const = default;
};

struct HttpSettings {
    std::string listen = "127.0.0.1:9180";

    bool operator==(const HttpSettings&) const = default;
};

// What the files said, for the admin service's next answer: static_part.hpp.
struct StaticPart;

// A whole configuration that has passed every check.
struct Config {
    std::string path;                // of the main file, absolute
    std::vector<std::string> files;  // absolute; what FieldSource::file points into
    SupervisorSettings supervisor;
    PortRange ports;
    std::optional<AdminSettings> admin;
    HttpSettings http;
    std::vector<SpecPtr> instances;    // sorted by id
    std::vector<FieldSource> sources;  // of "supervisor.log_level" …, sorted by key

    // With [admin] alone:
    std::string admin_secret;             // never to be shown, logged or put on a command line
    std::vector<AdminOmission> left_out;  // of the admin service's entries, sorted by id
    std::shared_ptr<const StaticPart> static_part;
};

}  // namespace pmctl
