#include "supervisor/core/config_load.hpp"

#include <algorithm>

#include "shared/control_path.hpp"
#include "supervisor/core/admin_merge.hpp"
#include "supervisor/core/config_check.hpp"
#include "supervisor/core/config_merge.hpp"
#include "supervisor/core/env_file.hpp"
#include "supervisor/core/launch.hpp"
#include "supervisor/core/static_part.hpp"

namespace pmctl {
namespace {

template <class Visit>
void each_env_file(const Layer& layer, Visit visit) {
    const auto in_block = [&visit](const Block& block) {
        for (const Field& field : block.fields) {
            if (field.setting->key != "env_file" || !field.valid) continue;
            if (const auto& path = std::get<std::string>(field.value); !path.empty()) visit(path, field.at);
        }
    };
    in_block(layer.defaults);
    for (const Block& block : layer.apps) in_block(block);
    for (const Block& block : layer.instances) in_block(block);
}

std::string variable(const Environment& environment, const std::string& name) {
    const auto at = environment.find(name);
    return at == environment.end() ? "" : at->second;
}

void fill_folders(SupervisorSettings& settings, const std::string& main_path,
                  const Surroundings& surroundings) {
    const std::string hash = config_hash(main_path);
    const Environment& env = surroundings.environment;
    if (settings.runtime_dir.empty())
        settings.runtime_dir = default_runtime_dir(surroundings.uid, variable(env, "XDG_RUNTIME_DIR"), hash);
    if (settings.state_dir.empty())
        settings.state_dir =
            default_state_dir(surroundings.uid, variable(env, "XDG_STATE_HOME"), variable(env, "HOME"), hash);
}

EnvFiles read_env_files(const std::map<std::string, Position>& named,
                        const std::map<std::string, Result<std::string>>& texts,
                        const std::vector<Layer>& layers, std::vector<Problem>& problems) {
    EnvFiles files;
    for (const auto& [path, at] : named) {
        const auto text = texts.find(path);
        if (text == texts.end() || !text->second) {
            const std::string why =
                text == texts.end() ? "'" + path + "': not read" : text->second.error().message;
            problems.push_back({layers[at.file].path, at.line, at.column, "'env_file' " + why});
        } else {
            files.emplace(path, parse_env_file(*text->second, path, problems));
        }
    }
    return files;
}

void sort_problems(std::vector<Problem>& problems, const std::vector<Layer>& layers) {
    std::map<std::string_view, std::size_t> order;
    for (std::size_t i = 0; i < layers.size(); ++i) order.emplace(layers[i].path, i);
    const auto key = [&order, &layers](const Problem& problem) {
        const auto at = order.find(problem.file);
        return std::tuple(at == order.end() ? layers.size() : at->second, std::string_view(problem.file),
                          problem.line, problem.column);
    };
    std::stable_sort(problems.begin(), problems.end(),
                     [&key](const Problem& a, const Problem& b) { return key(a) < key(b); });
}

}  // namespace

std::map<std::string, Position> env_files_of(const std::vector<ParsedFile>& files) {
    std::map<std::string, Position> named;
    for (const ParsedFile& file : files)
        each_env_file(file.layer,
                      [&named](const std::string& path, Position at) { named.emplace(path, at); });
    return named;
}

LoadedConfig build_config(std::vector<ParsedFile> files,
                          const std::map<std::string, Result<std::string>>& env_files,
                          std::vector<Problem> problems, const Surroundings& surroundings,
                          const AdminFiles& admin_files, const std::vector<AdminEntry>& entries) {
    const auto named_files = env_files_of(files);
    bool complete = problems.empty();
    auto part = std::make_shared<StaticPart>();
    std::vector<Layer>& layers = part->layers;
    layers.reserve(files.size());
    for (ParsedFile& file : files) {
        complete = complete && file.complete;
        problems.insert(problems.end(), file.problems.begin(), file.problems.end());
        layers.push_back(std::move(file.layer));
    }
    part->env_files = read_env_files(named_files, env_files, layers, problems);
    const bool env_complete = part->env_files.size() == named_files.size();

    const bool has_admin =
        std::any_of(layers.begin(), layers.end(), [](const Layer& layer) { return layer.admin.has_value(); });
    MergedGlobals globals = merge_globals(layers);
    fill_folders(globals.settings.supervisor, layers.front().path, surroundings);
    const LayerIndex index(layers);
    const std::optional<AdminSettings> admin =
        has_admin ? std::optional(globals.settings.admin) : std::nullopt;
    part->environment = child_environment(surroundings.environment, admin);
    ProblemList outside(index);
    const std::string secret =
        admin ? check_admin_files(*admin, admin_files, surroundings.environment, outside) : "";

    const StaticInstances provider(index);
    Merger merger(index, part->env_files);
    std::vector<MergedInstance> instances;
    for (const std::string& id : provider.ids()) {
        MergedInstance merged = merger.instance(id, provider);
        mark_secret(*merged.spec, secret);
        // With an admin service it may be an override of an instance that the service has yet to name.
        const bool is_override =
            has_admin && merged.spec->app.empty() && merged.spec->process.command.empty();
        if (!is_override) instances.push_back(std::move(merged));
    }
    for (auto& found :
         {outside.take(), check_config({&index, &instances, &globals.settings, &part->environment, has_admin,
                                        complete, env_complete})})
        problems.insert(problems.end(), found.begin(), found.end());

    LoadedConfig loaded;
    if (!problems.empty()) {
        sort_problems(problems, layers);
        loaded.problems = std::move(problems);
        return loaded;
    }
    Config& config = loaded.config.emplace();
    config.path = layers.front().path;
    for (const Layer& layer : layers) config.files.push_back(layer.path);
    config.supervisor = std::move(globals.settings.supervisor);
    config.ports = globals.settings.ports;
    config.admin = admin;
    config.http = std::move(globals.settings.http);
    config.sources = std::move(globals.sources);
    config.instances.reserve(instances.size());
    for (MergedInstance& each : instances) config.instances.push_back(std::move(each.spec));
    if (!has_admin) return loaded;
    config.admin_secret = secret;
    part->instances = config.instances;
    config.static_part = std::move(part);
    return entries.empty() ? std::move(loaded) : with_admin(config, entries);
}

LoadedConfig with_admin(const Config& config, const std::vector<AdminEntry>& entries) {
    LoadedConfig loaded;
    Config& same = loaded.config.emplace(config);
    if (!config.static_part) return loaded;
    AdminMerge merge = merge_admin(config, entries);
    same.instances = std::move(merge.instances);
    same.left_out = merge.left_out;
    loaded.left_out = std::move(merge.left_out);
    return loaded;
}

Result<Config> config_or_error(LoadedConfig loaded) {
    if (loaded.config) return std::move(*loaded.config);
    std::string text;
    for (const Problem& problem : loaded.problems)
        text += (text.empty() ? "" : "\n") + format_problem(problem);
    return fail(ErrorKind::Invalid, std::move(text));
}

std::string describe_load(const std::string& path, const LoadedConfig& loaded) {
    if (loaded.config) {
        const std::size_t count = loaded.config->instances.size();
        return path + ": ok, " + std::to_string(count) + (count == 1 ? " instance\n" : " instances\n");
    }
    std::string text;
    for (const Problem& problem : loaded.problems) text += format_problem(problem) + "\n";
    const std::size_t count = loaded.problems.size();
    return text + path + ": " + std::to_string(count) + (count == 1 ? " problem\n" : " problems\n");
}

}  // namespace pmctl
