#include "supervisor/core/config_show.hpp"

#include <algorithm>

#include "shared/nearest.hpp"
#include "supervisor/core/field_source.hpp"
#include "supervisor/core/settings.hpp"
#include "supervisor/core/toml_text.hpp"

namespace pmctl {
namespace {

std::string variable_value(const std::string& name, const std::string& value, bool show_secrets) {
    if (show_secrets) return toml_string(value);
    return toml_string(looks_secret(name) ? std::string(masked) : mask_urls(value));
}

void list_instance(const Config& config, const InstanceSpec& spec, bool show_secrets,
                   std::vector<ConfigValue>& values) {
    const std::string prefix = "instances." + toml_key(spec.id) + ".";
    const auto source = [&config, &spec](std::string_view key) {
        return source_text(find_source(spec.sources, key), config.files, spec.admin_event);
    };
    for (const Setting& setting : instance_settings()) {
        if (setting.key != "env" || spec.process.env.empty()) {
            values.push_back(
                {prefix + std::string(setting.key), shown(setting, spec, show_secrets), source(setting.key)});
            continue;
        }
        for (const auto& [name, value] : spec.process.env)
            values.push_back({prefix + "env." + toml_key(name), variable_value(name, value, show_secrets),
                              source("env." + name)});
    }
    for (const Setting& setting : service_settings()) {
        const FieldSource* said = find_source(spec.sources, setting.key);
        if (said != nullptr)
            values.push_back(
                {prefix + std::string(setting.key), shown(setting, spec, show_secrets), source(setting.key)});
    }
}

void list_globals(const Config& config, bool show_secrets, std::vector<ConfigValue>& values) {
    const GlobalSettings settings{config.supervisor, config.ports, config.admin.value_or(AdminSettings()),
                                  config.http};
    for (const Setting& setting : global_settings()) {
        if (setting.section == Section::Admin && !config.admin) continue;
        std::string value = setting.show_global(settings);
        if (!show_secrets) value = mask_urls(value);
        values.push_back({std::string(setting.key), std::move(value),
                          source_text(find_source(config.sources, setting.key), config.files)});
    }
}

}  // namespace

Result<std::vector<ConfigValue>> show_config(const Config& config, std::string_view id, bool show_secrets) {
    std::vector<ConfigValue> values;
    if (id.empty()) {
        list_globals(config, show_secrets, values);
        for (const SpecPtr& spec : config.instances) list_instance(config, *spec, show_secrets, values);
        return values;
    }
    const auto at = std::lower_bound(config.instances.begin(), config.instances.end(), id,
                                     [](const SpecPtr& spec, std::string_view i) { return spec->id < i; });
    if (at == config.instances.end() || (*at)->id != id) {
        std::vector<std::string> ids;
        ids.reserve(config.instances.size());
        for (const SpecPtr& spec : config.instances) ids.push_back(spec->id);
        const std::string near = nearest(id, ids);
        return fail(ErrorKind::NotFound, "no instance '" + std::string(id) + "' is configured" +
                                             (near.empty() ? "" : "; did you mean '" + near + "'?"));
    }
    list_instance(config, **at, show_secrets, values);
    return values;
}

}  // namespace pmctl
