#include "supervisor/core/config_merge.hpp"

#include <algorithm>

#include "shared/path.hpp"
#include "supervisor/core/field_source.hpp"

namespace pmctl {
namespace {

bool is_env(const Field& field) {
    return field.setting->set_instance == nullptr;
}

// The sources of `below` with those of `blocks` over them, sorted, each key once.
std::vector<FieldSource> sources_of(const std::vector<FieldSource>& below, const LayerIndex::Blocks& blocks) {
    std::vector<FieldSource> all = below;
    for (const Block* block : blocks) {
        for (const Field& field : block->fields) {
            if (!field.valid) continue;
            std::string key(field.setting->key);
            if (is_env(field)) key += "." + field.variable;
            all.push_back({std::move(key), field.at.file, field.at.line});
        }
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const FieldSource& a, const FieldSource& b) { return a.key < b.key; });
    std::vector<FieldSource> last;  // with nothing to spare: there may be thousands
    const auto is_last = [&all](std::size_t i) {
        return i + 1 == all.size() || all[i + 1].key != all[i].key;
    };
    std::size_t keys = 0;
    for (std::size_t i = 0; i < all.size(); ++i) keys += is_last(i) ? 1 : 0;
    last.reserve(keys);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (is_last(i)) last.push_back(std::move(all[i]));
    }
    return last;
}

void apply_blocks(const LayerIndex::Blocks& blocks, InstanceSpec& spec) {
    for (const Block* block : blocks) {
        for (const Field& field : block->fields) {
            if (!field.valid) continue;
            if (is_env(field))
                spec.process.env[field.variable] = std::get<std::string>(field.value);
            else
                field.setting->set_instance(spec, field.value);
        }
    }
    spec.sources = sources_of(spec.sources, blocks);
}

// Defaults that depend on other keys.
void derive(InstanceSpec& spec, const LayerIndex& index, const Position& defined_at) {
    if (spec.process.working_dir.empty()) {
        const FieldSource* command = find_source(spec.sources, "command");
        const std::uint32_t file = command != nullptr ? command->file : defined_at.file;
        // What the admin service says is seen from the main file.
        spec.process.working_dir = folder_of(index.layers()[file == admin_file ? 0 : file].path);
    }
    if (spec.process.port.kind == PortWish::Kind::None && find_source(spec.sources, "health.kind") == nullptr)
        spec.policy.health.kind = HealthKind::None;
}

}  // namespace

Merger::Merger(const LayerIndex& index, const EnvFiles& env_files) : index_(&index), env_files_(&env_files) {}

const Merger::Base& Merger::base(const std::string& app) {
    const LayerIndex::Blocks own = app.empty() ? LayerIndex::Blocks() : index_->app(app);
    // Applications with no template of their own share "*".
    const std::string_view name = own.empty() ? std::string_view() : own.front()->name;
    const auto known = bases_.find(name);
    if (known != bases_.end()) return known->second;
    Base base;
    base.blocks = index_->defaults();
    base.blocks.insert(base.blocks.end(), own.begin(), own.end());
    apply_blocks(base.blocks, base.spec);
    return bases_.emplace(name, std::move(base)).first->second;
}

MergedInstance Merger::merge(const std::string& id, LayerIndex::Blocks admin, const LayerIndex::Blocks& own) {
    const Origin origin = admin.empty() ? Origin::Static : own.empty() ? Origin::Admin : Origin::Both;
    const std::uint64_t event = admin.empty() ? 0 : admin.back()->event;
    LayerIndex::Blocks all = std::move(admin);
    all.insert(all.end(), own.begin(), own.end());
    const Field* app = find_field(all, "app");
    if (app == nullptr) app = find_field(index_->defaults(), "app");
    const auto* app_name = app != nullptr && app->valid ? std::get_if<std::string>(&app->value) : nullptr;
    const Base& below = base(app_name != nullptr ? *app_name : "");

    MergedInstance merged{std::make_shared<InstanceSpec>(below.spec), below.blocks};
    InstanceSpec& spec = *merged.spec;
    apply_blocks(all, spec);
    spec.id = id;
    spec.app = app_name != nullptr ? *app_name : "";
    spec.origin = origin;
    spec.admin_event = event;
    derive(spec, *index_, own.empty() ? Position{} : own.back()->at);
    if (const auto file = env_files_->find(spec.env_file); file != env_files_->end())
        spec.process.env_file_values = file->second;
    merged.blocks.insert(merged.blocks.end(), all.begin(), all.end());
    return merged;
}

MergedGlobals merge_globals(const std::vector<Layer>& layers) {
    MergedGlobals merged;
    std::map<std::string_view, Position> places;
    for (const Layer& layer : layers) {
        for (const Field& field : layer.globals) {
            if (!field.valid) continue;
            field.setting->set_global(merged.settings, field.value);
            places[field.setting->key] = field.at;
        }
    }
    for (const auto& [key, at] : places) merged.sources.push_back({std::string(key), at.file, at.line});
    return merged;
}

}  // namespace pmctl
