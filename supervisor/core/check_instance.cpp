#include "supervisor/core/check_instance.hpp"

#include <algorithm>

#include "supervisor/core/launch.hpp"

namespace pmctl {
namespace {

bool has_dollar(const std::string& text) {
    return text.find('$') != std::string::npos;
}
bool has_dollar(const std::vector<std::string>& texts) {
    return std::any_of(texts.begin(), texts.end(), [](const std::string& text) { return has_dollar(text); });
}

void check_command(const MergedInstance& instance, const CheckedConfig& config, ProblemList& problems) {
    const InstanceSpec& spec = *instance.spec;
    if (spec.process.command.empty()) {
        const bool is_known =
            problems.is_set(instance, "command") && !find_field(instance.blocks, "command")->valid;
        // The template that should have it may be missing, which is told already, or in a file with a fault.
        const bool no_template = !spec.app.empty() && !config.index->has_app(spec.app);
        if (is_known || no_template || !config.complete) return;
        problems.add(
            instance, "command",
            "'" + spec.id +
                "' has no 'command'; set it, as in command = [\"./server\", \"--port\", \"${PORT}\"]" +
                (spec.app.empty() ? "" : ", here or in [apps.\"" + spec.app + "\"]"));
    } else if (spec.process.command.front().empty()) {
        problems.add(instance, "command", "the first element of 'command', the program, is empty");
    }
}

void check_port(const MergedInstance& instance, ProblemList& problems) {
    const InstanceSpec& spec = *instance.spec;
    if (spec.process.port.kind == PortWish::Kind::Fixed && spec.replicas > 1)
        problems.add(instance, "port",
                     "'port' is " + std::to_string(spec.process.port.number) + " for " +
                         std::to_string(spec.replicas) +
                         " replicas, and one alone can have it; use \"auto\"");
    if (spec.process.port.kind != PortWish::Kind::None) return;
    if (spec.process.socket_activation)
        problems.add(instance, "socket_activation",
                     "'socket_activation' needs a port, and 'port' is \"none\"");
    const HealthKind kind = spec.policy.health.kind;
    if (kind == HealthKind::Http || kind == HealthKind::Tcp)
        problems.add(instance, "health.kind",
                     std::string("'health.kind' \"") + (kind == HealthKind::Http ? "http" : "tcp") +
                         "\" needs a port, and 'port' is \"none\"; use \"exec\" or \"none\"");
}

void check_policy(const MergedInstance& instance, ProblemList& problems) {
    const Policy& policy = instance.spec->policy;
    const HealthSettings& health = policy.health;
    if (health.kind == HealthKind::Exec && (health.command.empty() || health.command.front().empty()))
        problems.add(instance, problems.is_set(instance, "health.command") ? "health.command" : "health.kind",
                     "'health.kind' \"exec\" needs 'health.command', the program first");
    if (health.restart_after < health.unhealthy_after) {
        const bool restart_set = problems.is_set(instance, "health.restart_after");
        problems.add(instance, restart_set ? "health.restart_after" : "health.unhealthy_after",
                     "'health.restart_after' is " + std::to_string(health.restart_after) +
                         (restart_set ? "" : " (the default)") +
                         ", less than 'health.unhealthy_after', which is " +
                         std::to_string(health.unhealthy_after) + "; raise the one or lower the other");
    }
    const RestartSettings& restart = policy.restart;
    if (restart.backoff_max < restart.backoff_initial) {
        const bool max_set = problems.is_set(instance, "restart.backoff_max");
        problems.add(instance, max_set ? "restart.backoff_max" : "restart.backoff_initial",
                     "'restart.backoff_max' is " + format_duration(restart.backoff_max) +
                         (max_set ? "" : " (the default)") +
                         ", less than 'restart.backoff_initial', which is " +
                         format_duration(restart.backoff_initial));
    }
    if (policy.on_demand && instance.spec->hostnames.empty())
        problems.add(instance, "on_demand",
                     "'on_demand' needs a 'hostname', for it is a query for that which starts it");
}

void check_secret(const MergedInstance& instance, const CheckedConfig& config, ProblemList& problems) {
    // An [admin] may be in the file that could not be parsed.
    if (!instance.spec->process.pass_internal_secret || config.has_admin || !config.complete) return;
    problems.add(instance, "pass_internal_secret",
                 "'pass_internal_secret' is true, and there is no [admin] whose secret could be passed");
}

// Every `${NAME}` has to have a value: a start is tried on paper.
void check_expansion(const MergedInstance& instance, const CheckedConfig& config, ProblemList& problems) {
    const InstanceSpec& spec = *instance.spec;
    const bool env = std::any_of(spec.process.env.begin(), spec.process.env.end(),
                                 [](const auto& entry) { return has_dollar(entry.second); });
    if (spec.process.command.empty() || spec.process.command.front().empty()) return;
    if (!env && !has_dollar(spec.process.command) && !has_dollar(spec.process.working_dir) &&
        !has_dollar(spec.policy.health.path) && !has_dollar(spec.policy.health.command))
        return;
    const std::uint16_t port = spec.process.port.kind == PortWish::Kind::Fixed ? spec.process.port.number
                                                                               : config.globals->ports.first;
    const auto tried = try_launch(spec, 0, port, *config.environment, std::string("secret"));
    if (tried) return;
    for (const LaunchFault& fault : tried.error()) {
        const bool is_env = fault.key.starts_with("env.");
        const Field* variable = is_env ? find_field(instance.blocks, "env", fault.key.substr(4)) : nullptr;
        const std::string message = "'" + fault.key + "': " + fault.message;
        if (variable != nullptr)
            problems.add_at(variable->at, message);
        else
            problems.add(instance, fault.key, message);
    }
}

}  // namespace

void check_instance(const MergedInstance& instance, const CheckedConfig& config, ProblemList& problems) {
    check_command(instance, config, problems);
    check_port(instance, problems);
    check_policy(instance, problems);
    check_secret(instance, config, problems);
    if (config.env_complete) check_expansion(instance, config, problems);
}

}  // namespace pmctl
