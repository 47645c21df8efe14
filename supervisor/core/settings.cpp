#include "supervisor/core/settings.hpp"

#include <algorithm>

#include "supervisor/core/names.hpp"
#include "supervisor/core/settings_fields.hpp"

namespace pmctl {
namespace {

using namespace fields;  // NOLINT(google-build-using-namespace): the table's own vocabulary

struct Access {
    bool (*set_instance)(InstanceSpec&, const Value&) = nullptr;
    std::string (*show_instance)(const InstanceSpec&) = nullptr;
    bool (*set_global)(GlobalSettings&, const Value&) = nullptr;
    std::string (*show_global)(const GlobalSettings&) = nullptr;
};
template <auto get, auto read>
constexpr Access in_spec() {
    return {&set_in_instance<get, read>, &shown_of_instance<get>, nullptr, nullptr};
}
template <auto get, auto read, auto show_as>
constexpr Access in_spec_as() {
    return {&set_in_instance<get, read>, &shown_of_instance_as<get, show_as>, nullptr, nullptr};
}
template <auto get, auto read>
constexpr Access in_globals() {
    return {nullptr, nullptr, &set_in_global<get, read>, &shown_of_global<get>};
}
template <auto get, auto read, auto show_as>
constexpr Access in_globals_as() {
    return {nullptr, nullptr, &set_in_global<get, read>, &shown_of_global_as<get, show_as>};
}

std::string show_env(const InstanceSpec& spec) {
    std::string text = "{";
    for (const auto& [name, value] : spec.process.env) {
        text += text.size() > 1 ? ", " : " ";
        text += toml_key(name) + " = " + toml_string(value);
    }
    return text.size() > 1 ? text + " }" : "{}";
}
constexpr Access env_access = {nullptr, &show_env, nullptr, nullptr};

struct Words {
    std::string_view key;
    std::string_view type;
    std::string_view default_text;
    std::string_view allowed;
    std::string_view meaning;
};

constexpr Setting row(const Words& words, Access access, ChangeEffect effect,
                      Section section = Section::Instance, std::span<const std::string_view> choices = {},
                      PathRule path = PathRule::None) {
    return {words.key,
            section,
            words.type,
            words.default_text,
            words.allowed,
            words.meaning,
            effect,
            path,
            choices,
            access.set_instance,
            access.show_instance,
            access.set_global,
            access.show_global};
}

constexpr std::string_view text = "string";
constexpr std::string_view texts = "list of strings";
constexpr std::string_view flag = "boolean";
constexpr std::string_view count = "integer";
constexpr std::string_view span_of_time = "duration";
constexpr std::string_view size = "size";
constexpr std::string_view any = "a string";
constexpr std::string_view a_flag = "true or false";
constexpr std::string_view from_zero = "a duration such as \"5s\" or \"1m30s\"";
constexpr std::string_view from_1ms = "a duration of at least 1ms, such as \"5s\" or \"1m30s\"";
constexpr std::string_view from_10ms = "a duration of at least 10ms, such as \"5s\" or \"1m30s\"";
constexpr std::string_view streak = "an integer from 1 to 1000000";
constexpr std::string_view an_id = "\"\" or 1 to 128 of A-Z a-z 0-9 . _ : -";
constexpr std::int64_t million = 1'000'000;

constexpr ChangeEffect replace = ChangeEffect::Replace;
constexpr ChangeEffect live = ChangeEffect::Live;
constexpr ChangeEffect route = ChangeEffect::Route;
constexpr ChangeEffect next_start = ChangeEffect::NextStart;
constexpr Section inst = Section::Instance;

// A function that finds one field in whatever struct it is handed.
// A macro, since a lambda as a template argument has no shorter spelling.
// NOLINTNEXTLINE(bugprone-macro-parentheses)
#define AT(path) [](auto& all) -> auto& { return all.path; }

// clang-format off
constexpr std::array instance_table = {
    row({"app", text, "\"\"", "an application id: no empty component, no \"..\", no leading \"/\"", "The application whose template in [apps] this instance is made from."},
        in_spec<AT(app), read_text<is_optional_app>>(), replace),
    row({"description", text, "\"\"", any, "What it is, for people."},
        in_spec<AT(policy.description), read_text<any_text>>(), live),
    row({"enabled", flag, "true", a_flag, "false: as if it were not configured, but for its name and logs."},
        in_spec<AT(enabled), read_flag>(), live),
    row({"group", text, "\"\"", an_id, "The name by which commands reach several instances at once: @GROUP."},
        in_spec<AT(policy.group), read_text<is_group_name>>(), live),
    row({"hostname", "string or list of strings", "[]", "a hostname such as \"shop.localhost\", or a list of them", "The hostnames that lead to it, the first one also as HOST in its environment."},
        in_spec<AT(hostnames), read_hostnames>(), route),
    row({"command", texts, "[]", "a list of strings, the program first", "The program and its arguments; there is no shell, ${NAME} is expanded."},
        in_spec<AT(process.command), read_list>(), replace, inst, {}, PathRule::Command),
    row({"working_dir", text, "\".\"", any, "The folder it runs in; \".\" is that of the file that names the command."},
        in_spec<AT(process.working_dir), read_text<any_text>>(), replace, inst, {}, PathRule::Path),
    row({"env", "table of strings", "{}", "a table of strings, { NAME = \"value\" }", "Environment variables, which come last; tables of several layers are merged by name."},
        env_access, replace),
    row({"env_file", text, "\"\"", "a path", "A file of NAME=value lines, read with the configuration, taken literally."},
        in_spec<AT(env_file), read_text<any_text>>(), replace, inst, {}, PathRule::Path),
    row({"pass_internal_secret", flag, "false", a_flag, "Whether INTERNAL_SECRET is in its environment."},
        in_spec<AT(process.pass_internal_secret), read_flag>(), replace),
    row({"user", text, "\"\"", "a user's name or number", "The user it runs as; \"\" is the supervisor's own."},
        in_spec<AT(process.user), read_user>(), replace),
    row({"group_id", text, "\"\"", "a group's name or number", "The group it runs as; \"\" is the user's own."},
        in_spec<AT(process.group_id), read_user>(), replace),
    row({"umask", text, "\"0022\"", "an octal number as a string, \"0000\" to \"0777\"", "Permissions that files it makes do not get."},
        in_spec_as<AT(process.umask), read_octal, show_octal>(), replace),
    row({"port", "string or integer", "\"auto\"", "\"auto\", \"none\" or a number from 1 to 65535", "\"auto\": a free one of [ports] range, as PORT in its environment."},
        in_spec<AT(process.port), read_port>(), replace),
    row({"socket_activation", flag, "false", a_flag, "true: the supervisor binds the port and hands the listening socket over (LISTEN_FDS)."},
        in_spec<AT(process.socket_activation), read_flag>(), replace),
    row({"replicas", count, "1", "an integer from 0 to 1000", "How many processes."},
        in_spec<AT(replicas), read_integer<0, max_replicas, std::uint32_t>>(), live),
    row({"depends_on", texts, "[]", "a list of instance ids", "It starts when these are healthy, and stops before them."},
        in_spec<AT(policy.depends_on), read_list>(), live),
    row({"autostart", flag, "true", a_flag, "Whether it starts with the supervisor."},
        in_spec<AT(policy.autostart), read_flag>(), live),
    row({"on_demand", flag, "false", a_flag, "true: started by the first route query for its hostname."},
        in_spec<AT(policy.on_demand), read_flag>(), live),
    row({"idle_timeout", span_of_time, "\"0s\"", from_zero, "With on_demand: stopped after this long without a route query; \"0s\" is never."},
        in_spec<AT(policy.idle_timeout), read_duration<0>>(), live),
    row({"stop_signal", text, "\"SIGTERM\"", "the name of a signal, such as \"SIGTERM\" or \"INT\", or its number", "What asks its processes to end."},
        in_spec_as<AT(policy.stop_signal), read_signal, show_signal>(), live),
    row({"stop_timeout", span_of_time, "\"10s\"", from_zero, "What still runs this long after stop_signal is killed."},
        in_spec<AT(policy.stop_timeout), read_duration<0>>(), live),

    row({"health.kind", text, "\"http\"", "\"http\", \"tcp\", \"exec\" or \"none\"", "How its health is checked; with port = \"none\" the default is \"none\"."},
        in_spec_as<AT(policy.health.kind), read_word<health_kinds, HealthKind>, show_word<health_kinds, HealthKind>>(), live, inst, health_kinds.words),
    row({"health.path", text, "\"/api/status\"", "a path that begins with \"/\", without spaces", "What kind = \"http\" asks for; an answer of 2xx is healthy."},
        in_spec<AT(policy.health.path), read_text<is_url_path>>(), live),
    row({"health.command", texts, "[]", "a list of strings, the program first", "What kind = \"exec\" runs; exit status 0 is healthy."},
        in_spec<AT(policy.health.command), read_list>(), live, inst, {}, PathRule::Command),
    row({"health.interval", span_of_time, "\"5s\"", from_10ms, "From one check to the next while it is healthy."},
        in_spec<AT(policy.health.interval), read_duration<10>>(), live),
    row({"health.retry_interval", span_of_time, "\"1s\"", from_10ms, "After a failed check, and while it is not healthy."},
        in_spec<AT(policy.health.retry_interval), read_duration<10>>(), live),
    row({"health.timeout", span_of_time, "\"2s\"", from_1ms, "A check that takes longer has failed."},
        in_spec<AT(policy.health.timeout), read_duration<1>>(), live),
    row({"health.unhealthy_after", count, "2", streak, "Failed checks in a row: Unhealthy, out of the routes."},
        in_spec<AT(policy.health.unhealthy_after), read_integer<1, million, std::uint32_t>>(), live),
    row({"health.restart_after", count, "3", streak, "Failed checks in a row: replaced; at least unhealthy_after."},
        in_spec<AT(policy.health.restart_after), read_integer<1, million, std::uint32_t>>(), live),
    row({"health.healthy_after", count, "1", streak, "Good checks in a row after Unhealthy: Running again."},
        in_spec<AT(policy.health.healthy_after), read_integer<1, million, std::uint32_t>>(), live),
    row({"health.startup_timeout", span_of_time, "\"60s\"", from_10ms, "Not healthy this long after its start: a failed start."},
        in_spec<AT(policy.health.startup_timeout), read_duration<10>>(), live),
    row({"health.keep_alive", flag, "true", a_flag, "Whether http checks share one connection."},
        in_spec<AT(policy.health.keep_alive), read_flag>(), live),

    row({"restart.policy", text, "\"always\"", "\"always\", \"on-failure\" or \"never\"", "When it is started again after it ended by itself."},
        in_spec_as<AT(policy.restart.mode), read_word<restart_modes, RestartMode>, show_word<restart_modes, RestartMode>>(), live, inst, restart_modes.words),
    row({"restart.backoff_initial", span_of_time, "\"1s\"", from_1ms, "The first restart after a stable run is immediate, the next one waits this long, then twice as long."},
        in_spec<AT(policy.restart.backoff_initial), read_duration<1>>(), live),
    row({"restart.backoff_max", span_of_time, "\"30s\"", from_1ms, "The longest wait between two starts."},
        in_spec<AT(policy.restart.backoff_max), read_duration<1>>(), live),
    row({"restart.reset_after", span_of_time, "\"60s\"", from_zero, "Healthy this long: the count of restarts starts anew."},
        in_spec<AT(policy.restart.reset_after), read_duration<0>>(), live),
    row({"restart.circuit_failures", count, "8", streak, "Failed starts in a row that open the circuit."},
        in_spec<AT(policy.restart.circuit_failures), read_integer<1, million, std::uint32_t>>(), live),
    row({"restart.circuit_cooldown", span_of_time, "\"5m\"", from_1ms, "How long an open circuit waits before one trial start."},
        in_spec<AT(policy.restart.circuit_cooldown), read_duration<1>>(), live),

    row({"update.strategy", text, "\"rolling\"", "\"rolling\" or \"recreate\"", "rolling: the new process is healthy before the old one goes."},
        in_spec_as<AT(policy.update.strategy), read_word<update_strategies, UpdateStrategy>, show_word<update_strategies, UpdateStrategy>>(), live, inst, update_strategies.words),
    row({"update.drain", span_of_time, "\"5s\"", from_zero, "The longest wait between the route's move and the old process' end."},
        in_spec<AT(policy.update.drain), read_duration<0>>(), live),
    row({"update.timeout", span_of_time, "\"60s\"", from_10ms, "Not healthy by then: the old process stays, the update has failed."},
        in_spec<AT(policy.update.timeout), read_duration<10>>(), live),

    row({"log.max_size", size, "\"10MiB\"", "a size of at least 4KiB, such as \"10MiB\"", "A log file of this size is rotated."},
        in_spec_as<AT(policy.log.max_size), read_size<4096, false>, show_size>(), live),
    row({"log.max_files", count, "5", "an integer from 0 to 1000", "Rotated files that are kept beside the current one."},
        in_spec<AT(policy.log.max_files), read_integer<0, 1000, std::uint32_t>>(), live),

    row({"limits.open_files", count, "0", "an integer from 0 to 1073741816", "RLIMIT_NOFILE; 0 is what the supervisor was started with."},
        in_spec<AT(process.limits.open_files), read_integer<0, 1073741816, std::uint64_t>>(), replace),
    row({"limits.core_size", size, "\"\"", "\"\" or a size such as \"0\" or \"100MiB\"", "RLIMIT_CORE; \"\" is inherited."},
        in_spec<AT(process.limits.core_size), read_core_size>(), replace),
    row({"limits.memory", size, "\"\"", "\"\" or a size of at least 1MiB, such as \"512MiB\"", "memory.max of its cgroup; \"\" is no limit."},
        in_spec_as<AT(process.limits.memory), read_size<1048576, true>, show_size_or_none>(), replace),
    row({"limits.cpu", "number", "0.0", "0 or a number from 0.01 to 100000", "Cores, cpu.max of its cgroup; 0 is no limit."},
        in_spec<AT(process.limits.cpu), read_cores>(), replace),
    row({"limits.tasks", count, "0", "an integer from 0 to 4194304", "pids.max of its cgroup; 0 is no limit."},
        in_spec<AT(process.limits.tasks), read_integer<0, 4194304, std::uint64_t>>(), replace),
};

// What the admin service says of an instance, and no file.
constexpr std::array service_table = {
    row({"version", text, "\"\"", any, "VERSION in its environment."},
        in_spec<AT(process.version), read_text<any_text>>(), replace),
    row({"db_name", text, "\"\"", any, "DB_NAME in its environment."},
        in_spec<AT(process.db_name), read_text<any_text>>(), replace),
};

constexpr std::array global_table = {
    row({"supervisor.runtime_dir", text, "\"\"", "a path", "Socket and FIFOs. \"\": /run/pmctl for root, $XDG_RUNTIME_DIR/pmctl/HASH or /tmp/pmctl-UID/HASH otherwise."},
        in_globals<AT(supervisor.runtime_dir), read_text<any_text>>(), next_start, Section::Supervisor, {}, PathRule::Path),
    row({"supervisor.state_dir", text, "\"\"", "a path", "Database and logs. \"\": /var/lib/pmctl for root, $XDG_STATE_HOME/pmctl/HASH or ~/.local/state/pmctl/HASH otherwise."},
        in_globals<AT(supervisor.state_dir), read_text<any_text>>(), next_start, Section::Supervisor, {}, PathRule::Path),
    row({"supervisor.log_level", text, "\"info\"", "\"trace\", \"debug\", \"info\", \"warn\" or \"error\"", "What the supervisor itself says."},
        in_globals<AT(supervisor.log_level), read_choice<log_levels>>(), next_start, Section::Supervisor, log_levels),
    row({"supervisor.log_format", text, "\"text\"", "\"text\" or \"json\"", "json: one object a line."},
        in_globals<AT(supervisor.log_format), read_choice<log_formats>>(), next_start, Section::Supervisor, log_formats),
    row({"supervisor.socket_mode", text, "\"0600\"", "an octal number as a string, \"0000\" to \"0777\"", "Permissions of the control socket; \"0660\" with socket_group admits a group."},
        in_globals_as<AT(supervisor.socket_mode), read_octal, show_octal>(), next_start, Section::Supervisor),
    row({"supervisor.socket_group", text, "\"\"", "a group's name or number", "The group of the control socket."},
        in_globals<AT(supervisor.socket_group), read_user>(), next_start, Section::Supervisor),

    row({"supervisor.max_starting", count, "16", "an integer from 1 to 1000000", "Rolling updates: so many new processes may be on their way to be healthy at the same time."},
        in_globals<AT(supervisor.max_starting), read_integer<1, million, std::uint32_t>>(), live, Section::Supervisor),

    row({"ports.range", text, "\"30000-31000\"", "two ports from 1 to 65535 with \"-\" between, the lower first", "The ports that port = \"auto\" is given from."},
        in_globals<AT(ports), read_range>(), live, Section::Ports),

    row({"admin.url", text, "\"\"", "\"http://HOST[:PORT]\" or \"https://HOST[:PORT]\", without user, query and fragment", "The admin service that says which instances there are."},
        in_globals<AT(admin.url), read_text<is_admin_url>>(), live, Section::Admin),
    row({"admin.instance", text, "\"\"", "the id of an instance", "In place of url: the managed instance that is the admin service."},
        in_globals<AT(admin.instance), read_text<is_optional_id>>(), live, Section::Admin),
    row({"admin.secret_file", text, "\"\"", "a path", "The file that holds the secret; one that others can read is refused."},
        in_globals<AT(admin.secret_file), read_text<any_text>>(), live, Section::Admin, {}, PathRule::Path),
    row({"admin.secret_env", text, "\"\"", "the name of an environment variable", "In place of secret_file: the variable that holds the secret; no child sees it."},
        in_globals<AT(admin.secret_env), read_text<is_optional_variable>>(), live, Section::Admin),
    row({"admin.application_id", text, "\"\"", any, "Sent as X-Application-Id."},
        in_globals<AT(admin.application_id), read_text<any_text>>(), live, Section::Admin),
    row({"admin.ca_file", text, "\"\"", "a path", "Whom to trust in place of the system's authorities."},
        in_globals<AT(admin.ca_file), read_text<any_text>>(), live, Section::Admin, {}, PathRule::Path),
    row({"admin.insecure", flag, "false", a_flag, "true: the service's certificate is not checked, plain http to another machine is allowed, and each start warns of it."},
        in_globals<AT(admin.insecure), read_flag>(), live, Section::Admin),
    row({"admin.poll_interval", span_of_time, "\"5s\"", "a duration of at least 100ms, such as \"5s\"", "How often to ask a service that has no long poll."},
        in_globals<AT(admin.poll_interval), read_duration<100>>(), live, Section::Admin),
    row({"admin.long_poll", span_of_time, "\"50s\"", "a duration of at least 1s, such as \"50s\"", "How long the service may hold a request."},
        in_globals<AT(admin.long_poll), read_duration<1000>>(), live, Section::Admin),
    row({"admin.allow", texts, "[\"hostname\", \"env\", \"replicas\", \"enabled\", \"version\"]", "a list of \"version\", keys and tables of an instance", "What the admin service may set."},
        in_globals<AT(admin.allow), read_list>(), live, Section::Admin),
    row({"admin.mass_removal", text, "\"confirm\"", "\"confirm\" or \"obey\"", "confirm: that most instances are to go at once counts only when the service says it twice."},
        in_globals_as<AT(admin.mass_removal), read_word<mass_removals, MassRemoval>, show_word<mass_removals, MassRemoval>>(), live, Section::Admin, mass_removals.words),

    row({"http.listen", text, "\"127.0.0.1:9180\"", "\"HOST:PORT\", \"unix:/PATH\", or \"\" for none", "Where the read-only API listens."},
        in_globals<AT(http.listen), read_text<is_listen_address>>(), next_start, Section::Http),
};
// clang-format on

#undef AT

template <std::size_t size>
using Index = std::array<const Setting*, size>;

template <std::size_t size>
constexpr Index<size> by_key(const std::array<Setting, size>& table) {
    Index<size> index{};
    for (std::size_t i = 0; i < size; ++i) index[i] = &table[i];
    std::sort(index.begin(), index.end(), [](const Setting* a, const Setting* b) { return a->key < b->key; });
    return index;
}
constexpr auto instance_index = by_key(instance_table);
constexpr auto global_index = by_key(global_table);

template <std::size_t size>
const Setting* find(const Index<size>& index, std::string_view key) {
    const auto at =
        std::lower_bound(index.begin(), index.end(), key,
                         [](const Setting* setting, std::string_view k) { return setting->key < k; });
    return at != index.end() && (*at)->key == key ? *at : nullptr;
}

}  // namespace

std::span<const Setting> instance_settings() {
    return instance_table;
}
std::span<const Setting> service_settings() {
    return service_table;
}
std::span<const Setting> global_settings() {
    return global_table;
}
const Setting* find_instance_setting(std::string_view key) {
    return find(instance_index, key);
}
const Setting* find_global_setting(std::string_view key) {
    return find(global_index, key);
}

}  // namespace pmctl
