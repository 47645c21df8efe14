// The one table of all keys of the configuration: name, type, default, what is allowed, what a change asks of
// a running process, and how a value gets into the typed structs of config.hpp and back to TOML text.
// Parsing, merging, `pmctl config`, the man page's test and the reload's reasons all read this table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "supervisor/core/config.hpp"

namespace pmctl {

// What TOML can say to a setting, tables aside.
using Value = std::variant<std::string, std::int64_t, double, bool, std::vector<std::string>>;

// The parts of a configuration that are no instance.
struct GlobalSettings {
    SupervisorSettings supervisor;
    PortRange ports;
    AdminSettings admin;
    HttpSettings http;
};

enum class Section { Supervisor, Ports, Admin, Http, Instance };

// What a change asks for.
enum class ChangeEffect {
    Replace,    // a new process
    Live,       // nothing of the process: the new value counts from now on
    Route,      // the route table alone
    NextStart,  // in force from the supervisor's next start on
};

// What a relative path in the value means.
enum class PathRule {
    None,     // it is no path
    Path,     // relative to the folder of the file that says it
    Command,  // the first element, where it has a slash; else PATH is searched at the start
};

struct Setting {
    std::string_view key;  // "health.interval" of an instance, "supervisor.log_level"
    Section section = Section::Instance;
    std::string_view type;          // "string", "duration", "list of strings" …
    std::string_view default_text;  // as TOML
    std::string_view allowed;       // in words
    std::string_view meaning;       // one sentence
    ChangeEffect effect = ChangeEffect::Live;
    PathRule path = PathRule::None;
    std::span<const std::string_view> choices;  // where only certain words are allowed

    // False: the value is of a wrong type or not allowed, nothing was changed. One pair is set, the other
    // null; the key "env" has none, being a table: its entries go to ProcessSpec::env one by one.
    bool (*set_instance)(InstanceSpec&, const Value&) = nullptr;
    std::string (*show_instance)(const InstanceSpec&) = nullptr;
    bool (*set_global)(GlobalSettings&, const Value&) = nullptr;
    std::string (*show_global)(const GlobalSettings&) = nullptr;
};

// In the order of the documentation.
std::span<const Setting> instance_settings();
// The keys of an instance that the admin service alone has: "version" and "db_name".
std::span<const Setting> service_settings();
std::span<const Setting> global_settings();

// Null where there is no such key.
const Setting* find_instance_setting(std::string_view key);
const Setting* find_global_setting(std::string_view key);

// The value as TOML, with what looks like a secret masked unless `show_secrets`. Entries of `env` are masked
// by their names, where they are listed one by one.
std::string shown(const Setting& setting, const InstanceSpec& spec, bool show_secrets);

// One difference between two specifications of an instance, values as TOML, masked where they look secret.
struct FieldChange {
    std::string key;  // "health.interval", "env.KEY"
    std::string before;
    std::string after;
    ChangeEffect effect = ChangeEffect::Live;
};

// Empty where nothing differs, which is found out by comparing alone. `enabled` and `replicas` are not told
// here: they change how many processes there are, not what one is.
std::vector<FieldChange> changed_fields(const InstanceSpec& before, const InstanceSpec& after);

}  // namespace pmctl
