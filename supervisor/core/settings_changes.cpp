#include <algorithm>

#include "supervisor/core/settings.hpp"
#include "supervisor/core/toml_text.hpp"

namespace pmctl {
namespace {

std::string shown_variable(std::string_view name, const std::string& value) {
    return toml_string(looks_secret(name) ? std::string(masked) : mask_urls(value));
}

// One entry for each variable that differs; one that is missing on a side is shown as "(unset)".
void compare(const Environment& before, const Environment& after, std::string_view prefix,
             std::vector<FieldChange>& changes) {
    const auto value = [](const Environment& env, const std::string& name) {
        const auto at = env.find(name);
        return at == env.end() ? std::string("(unset)") : shown_variable(name, at->second);
    };
    std::vector<std::string_view> names;
    for (const auto& [name, text] : before) {
        const auto other = after.find(name);
        if (other == after.end() || other->second != text) names.push_back(name);
    }
    for (const auto& [name, text] : after) {
        if (!before.contains(name)) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    for (const std::string_view name : names) {
        const std::string key(name);
        changes.push_back(
            {std::string(prefix) + key, value(before, key), value(after, key), ChangeEffect::Replace});
    }
}

}  // namespace

std::string shown(const Setting& setting, const InstanceSpec& spec, bool show_secrets) {
    if (show_secrets) return setting.show_instance(spec);
    if (setting.key == "command") return toml_list(mask_command(spec.process.command));
    if (setting.key == "health.command") return toml_list(mask_command(spec.policy.health.command));
    return mask_urls(setting.show_instance(spec));
}

std::vector<FieldChange> changed_fields(const InstanceSpec& before, const InstanceSpec& after) {
    std::vector<FieldChange> changes;
    if (before.process == after.process && before.policy == after.policy && before.app == after.app &&
        before.hostnames == after.hostnames)
        return changes;
    for (const Setting& setting : instance_settings()) {
        if (setting.key == "enabled" || setting.key == "replicas") continue;
        if (setting.key == "env") {
            compare(before.process.env, after.process.env, "env.", changes);
        } else if (setting.key == "env_file") {
            // What the file holds counts, not where it lies.
            compare(before.process.env_file_values, after.process.env_file_values, "env_file.", changes);
        } else if (setting.show_instance(before) != setting.show_instance(after)) {
            changes.push_back({std::string(setting.key), shown(setting, before, false),
                               shown(setting, after, false), setting.effect});
        }
    }
    for (const Setting& setting : service_settings()) {
        if (setting.show_instance(before) != setting.show_instance(after))
            changes.push_back({std::string(setting.key), shown(setting, before, false),
                               shown(setting, after, false), setting.effect});
    }
    const std::uint64_t mark_before = before.process.secret_mark;
    const std::uint64_t mark_after = after.process.secret_mark;
    // Where the key itself differs it is told already.
    if (mark_before != mark_after && mark_before != 0 && mark_after != 0)
        changes.push_back({"INTERNAL_SECRET", "the old one", "another", ChangeEffect::Replace});
    return changes;
}

}  // namespace pmctl
