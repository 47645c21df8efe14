#include "supervisor/core/launch.hpp"

#include <algorithm>
#include <array>

#include "supervisor/core/expand.hpp"

namespace pmctl {
namespace {

// What a supervisor gives an instance: one that is itself an instance has it from another.
constexpr std::array<std::string_view, 6> own_names = {"APP_ID",          "HOST", "INSTANCE_ID",
                                                       "INTERNAL_SECRET", "PORT", "REPLICA"};
constexpr std::array<std::string_view, 6> supervisor_names = {
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"};

std::string entry_of(const std::string& name, const std::string& text) {
    std::string entry;
    entry.reserve(name.size() + 1 + text.size());
    return entry.append(name).append(1, '=').append(text);
}

// The names of one start, in four layers, `env` expanded on demand. What is at fault is collected, and an
// empty text in its place, so that the other faults are found too.
class FinalEnvironment {
  public:
    FinalEnvironment(const InstanceSpec& spec, const Environment& base, Environment given)
        : spec_(spec), base_(base), given_(std::move(given)) {}

    std::vector<LaunchFault>& faults() { return faults_; }
    void fault(const std::string& key, std::string message) {
        const bool known = std::any_of(faults_.begin(), faults_.end(), [&](const LaunchFault& each) {
            return each.key == key && each.message == message;
        });
        if (!known) faults_.push_back({key, std::move(message)});
    }

    // The text of this key with its names expanded.
    std::string text_of(const std::string& key, const std::string& text) {
        if (text.find('$') == std::string::npos) return text;
        return expanded_for(key, text, "");
    }

    std::vector<std::string> list() {
        const Environment& env = spec_.process.env;
        const Environment& file = spec_.process.env_file_values;
        std::vector<std::string> out;
        out.reserve(given_.size() + file.size() + env.size());
        const auto add = [&out](const std::string& name, const std::string& text) {
            out.push_back(entry_of(name, text));
        };
        for (const auto& [name, text] : given_) {
            if (!file.contains(name) && !env.contains(name)) add(name, text);
        }
        for (const auto& [name, text] : file) {
            if (!env.contains(name)) add(name, text);
        }
        for (const auto& [name, text] : env) add(name, variable(name));
        return out;
    }

  private:
    // `own`: the variable whose text this is, which means the one below by its own name; "" for none.
    std::string expanded_for(const std::string& key, const std::string& text, const std::string& own) {
        auto expanded = expand(text, [&](std::string_view other) -> Result<std::string> {
            const std::string name(other);
            return name != own && spec_.process.env.contains(name) ? variable(name) : below(key, name);
        });
        if (expanded) return std::move(*expanded);
        fault(key, expanded.error().message);
        return "";
    }

    std::string below(const std::string& key, const std::string& name) {
        for (const Environment* layer :
             std::array<const Environment*, 3>{&spec_.process.env_file_values, &given_, &base_}) {
            if (const auto at = layer->find(name); at != layer->end()) return at->second;
        }
        fault(key, "'${" + name + "}' is not set; write '$$' for a dollar sign");
        return "";
    }

    // One of `env`.
    std::string variable(const std::string& name) {
        const std::string& text = spec_.process.env.at(name);
        if (text.find('$') == std::string::npos) return text;
        if (const auto known = known_.find(name); known != known_.end()) return known->second;
        if (const auto open = std::find(open_.begin(), open_.end(), name); open != open_.end()) {
            std::string circle;
            for (auto each = open; each != open_.end(); ++each) circle += *each + " → ";
            fault("env." + name, "refers to itself in a circle: " + circle + name);
            return "";
        }
        open_.push_back(name);
        std::string value = expanded_for("env." + name, text, name);
        open_.pop_back();
        known_.emplace(name, value);
        return value;
    }

    const InstanceSpec& spec_;
    const Environment& base_;
    Environment given_;
    Environment known_;
    std::vector<std::string> open_;  // being expanded, outermost first
    std::vector<LaunchFault> faults_;
};

Environment given_names(const InstanceSpec& spec, std::uint32_t replica, std::uint16_t port,
                        const std::optional<std::string>& internal_secret) {
    Environment given;
    if (spec.process.port.kind != PortWish::Kind::None) given["PORT"] = std::to_string(port);
    if (!spec.hostnames.empty()) given["HOST"] = spec.hostnames.front();
    given["INSTANCE_ID"] = spec.id;
    if (!spec.app.empty()) given["APP_ID"] = spec.app;
    given["REPLICA"] = std::to_string(replica);
    if (!spec.process.version.empty()) given["VERSION"] = spec.process.version;
    if (!spec.process.db_name.empty()) given["DB_NAME"] = spec.process.db_name;
    if (spec.process.pass_internal_secret && internal_secret) given["INTERNAL_SECRET"] = *internal_secret;
    return given;
}

}  // namespace

tl::expected<Launch, std::vector<LaunchFault>> try_launch(const InstanceSpec& spec, std::uint32_t replica,
                                                          std::uint16_t port, const Environment& base,
                                                          const std::optional<std::string>& internal_secret) {
    FinalEnvironment env(spec, base, given_names(spec, replica, port, internal_secret));
    const auto list_of = [&](const std::string& key, const std::vector<std::string>& texts) {
        std::vector<std::string> out;
        out.reserve(texts.size());
        for (const std::string& text : texts) out.push_back(env.text_of(key, text));
        return out;
    };
    Launch launch;
    launch.argv = list_of("command", spec.process.command);
    launch.working_dir = env.text_of("working_dir", spec.process.working_dir);
    launch.health_path = env.text_of("health.path", spec.policy.health.path);
    if (spec.policy.health.kind == HealthKind::Exec)
        launch.health_command = list_of("health.command", spec.policy.health.command);
    launch.env = env.list();
    // What a name that is not set leaves behind is none of its own.
    if (!env.faults().empty()) return tl::unexpected(std::move(env.faults()));
    if (!launch.working_dir.starts_with('/'))
        env.fault("working_dir", "'" + launch.working_dir + "' is no absolute path once it is expanded");
    if (!launch.health_path.starts_with('/'))
        env.fault("health.path", "'" + launch.health_path + "' does not begin with '/' once it is expanded");
    if (launch.argv.empty() || launch.argv.front().empty())
        env.fault("command", "the program is empty once it is expanded");
    if (!env.faults().empty()) return tl::unexpected(std::move(env.faults()));
    return launch;
}

Result<Launch> launch(const InstanceSpec& spec, std::uint32_t replica, std::uint16_t port,
                      const Environment& base, const std::optional<std::string>& internal_secret) {
    return try_launch(spec, replica, port, base, internal_secret).map_error([](const auto& faults) {
        return Error{ErrorKind::Invalid, "'" + faults.front().key + "': " + faults.front().message};
    });
}

std::shared_ptr<const std::vector<std::string>> environment_list(const Environment& environment) {
    std::vector<std::string> entries;
    entries.reserve(environment.size());
    for (const auto& [name, text] : environment) entries.push_back(entry_of(name, text));
    return std::make_shared<const std::vector<std::string>>(std::move(entries));
}

Environment child_environment(const Environment& own, const std::optional<AdminSettings>& admin) {
    Environment out;
    for (const auto& [name, text] : own) {
        const auto is_name = [&name = name](std::string_view other) { return other == name; };
        if (name.starts_with("PMCTL_") || std::any_of(own_names.begin(), own_names.end(), is_name) ||
            std::any_of(supervisor_names.begin(), supervisor_names.end(), is_name))
            continue;
        if (admin && !admin->secret_env.empty() && name == admin->secret_env) continue;
        out.emplace_hint(out.end(), name, text);
    }
    return out;
}

}  // namespace pmctl
