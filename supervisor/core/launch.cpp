#include "supervisor/core/launch.hpp"

#include <algorithm>
#include <array>

#include "supervisor/core/expand.hpp"

namespace pmctl {
namespace {

constexpr std::array<std::string_view, 8> own_names = {"APP_ID", "DB_NAME",         "HOST",    "INSTANCE_ID",
                                                       "PORT",   "INTERNAL_SECRET", "REPLICA", "VERSION"};
constexpr std::array<std::string_view, 6> supervisor_names = {
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"};

std::string entry_of(const std::string& name, const std::string& text) {
    std::string entry;
    entry.reserve(name.size() + 1 + text.size());
    return entry.append(name).append(1, '=').append(text);
}

// The names of one start, in four layers, `env` expanded on demand.
class FinalEnvironment {
  public:
    FinalEnvironment(const InstanceSpec& spec, const Environment& base, Environment given)
        : spec_(spec), base_(base), given_(std::move(given)) {}

    Result<std::string> value(std::string_view name) {
        const std::string key(name);
        if (!spec_.process.env.contains(key)) return below(key);
        return expanded(key);
    }

    tl::expected<std::vector<std::string>, LaunchFault> list() {
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
        for (const auto& [name, text] : env) {
            const auto expanded_text = expanded(name);
            if (!expanded_text)
                return tl::unexpected(LaunchFault{"env." + name, expanded_text.error().message});
            add(name, *expanded_text);
        }
        return out;
    }

  private:
    Result<std::string> below(const std::string& name) const {
        for (const Environment* layer : {&spec_.process.env_file_values, &given_, &base_}) {
            if (const auto at = layer->find(name); at != layer->end()) return at->second;
        }
        return fail(ErrorKind::Invalid, "'${" + name + "}' is not set; write '$$' for a dollar sign");
    }

    Result<std::string> expanded(const std::string& name) {
        const std::string& text = spec_.process.env.at(name);
        if (text.find('$') == std::string::npos) return text;
        if (const auto known = known_.find(name); known != known_.end()) return known->second;
        if (const auto open = std::find(open_.begin(), open_.end(), name); open != open_.end()) {
            std::string circle;
            for (auto each = open; each != open_.end(); ++each) circle += *each + " → ";
            return fail(ErrorKind::Invalid, "refers to itself in a circle: " + circle + name);
        }
        open_.push_back(name);
        auto result = expand(text, [this, &name](std::string_view other) {
            return other == name ? below(name) : value(other);
        });
        open_.pop_back();
        if (result) known_.emplace(name, *result);
        return result;
    }

    const InstanceSpec& spec_;
    const Environment& base_;
    Environment given_;
    Environment known_;
    std::vector<std::string> open_;  // being expanded, outermost first
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

tl::expected<Launch, LaunchFault> try_launch(const InstanceSpec& spec, std::uint32_t replica,
                                             std::uint16_t port, const Environment& base,
                                             const std::optional<std::string>& internal_secret) {
    FinalEnvironment env(spec, base, given_names(spec, replica, port, internal_secret));
    std::optional<LaunchFault> fault;
    const Lookup lookup = [&env](std::string_view name) { return env.value(name); };
    const auto text_of = [&](const std::string& key, const std::string& text) {
        if (fault || text.find('$') == std::string::npos) return text;
        auto expanded = expand(text, lookup);
        if (expanded) return std::move(*expanded);
        fault = LaunchFault{key, expanded.error().message};
        return std::string();
    };
    const auto list_of = [&](const std::string& key, const std::vector<std::string>& texts) {
        std::vector<std::string> out;
        out.reserve(texts.size());
        for (const std::string& text : texts) out.push_back(text_of(key, text));
        return out;
    };
    Launch launch;
    launch.argv = list_of("command", spec.process.command);
    launch.working_dir = text_of("working_dir", spec.process.working_dir);
    launch.health_path = text_of("health.path", spec.policy.health.path);
    if (spec.policy.health.kind == HealthKind::Exec)
        launch.health_command = list_of("health.command", spec.policy.health.command);
    if (fault) return tl::unexpected(*fault);
    auto list = env.list();
    if (!list) return tl::unexpected(list.error());
    launch.env = std::move(*list);
    if (!launch.working_dir.starts_with('/'))
        return tl::unexpected(LaunchFault{
            "working_dir", "'" + launch.working_dir + "' is no absolute path once it is expanded"});
    if (!launch.health_path.starts_with('/'))
        return tl::unexpected(LaunchFault{
            "health.path", "'" + launch.health_path + "' does not begin with '/' once it is expanded"});
    if (launch.argv.empty() || launch.argv.front().empty())
        return tl::unexpected(LaunchFault{"command", "the program is empty once it is expanded"});
    return launch;
}

Result<Launch> launch(const InstanceSpec& spec, std::uint32_t replica, std::uint16_t port,
                      const Environment& base, const std::optional<std::string>& internal_secret) {
    return try_launch(spec, replica, port, base, internal_secret).map_error([](const LaunchFault& fault) {
        return Error{ErrorKind::Invalid, "'" + fault.key + "': " + fault.message};
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
