#include "supervisor/core/config_merge.hpp"

#include <algorithm>

#include "shared/path.hpp"

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

const FieldSource* source(const InstanceSpec& spec, std::string_view key) {
    const auto at = std::lower_bound(spec.sources.begin(), spec.sources.end(), key,
                                     [](const FieldSource& s, std::string_view k) { return s.key < k; });
    return at != spec.sources.end() && at->key == key ? &*at : nullptr;
}

// Defaults that depend on other keys.
void derive(InstanceSpec& spec, const LayerIndex& index, const Position& defined_at) {
    if (spec.process.working_dir.empty()) {
        const FieldSource* command = source(spec, "command");
        const std::uint32_t file = command != nullptr ? command->file : defined_at.file;
        spec.process.working_dir =
            folder_of(index.layers()[std::min<std::size_t>(file, index.layers().size() - 1)].path);
    }
    if (spec.process.port.kind == PortWish::Kind::None && source(spec, "health.kind") == nullptr)
        spec.policy.health.kind = HealthKind::None;
}

}  // namespace

Merger::Merger(const LayerIndex& index, const EnvFiles& env_files) : index_(&index), env_files_(&env_files) {}

const Merger::Base& Merger::base(const std::string& app) {
    const auto known = bases_.find(app);
    if (known != bases_.end()) return known->second;
    Base base;
    base.blocks = index_->defaults();
    if (!app.empty()) {
        const auto own = index_->app(app);
        base.blocks.insert(base.blocks.end(), own.begin(), own.end());
    }
    apply_blocks(base.blocks, base.spec);
    return bases_.emplace(app, std::move(base)).first->second;
}

MergedInstance Merger::instance(const std::string& id, const Block* admin) {
    LayerIndex::Blocks own = index_->instance(id);
    const Origin origin = admin == nullptr ? Origin::Static : own.empty() ? Origin::Admin : Origin::Both;
    if (admin != nullptr) own.insert(own.begin(), admin);
    const Field* app = find_field(own, "app");
    if (app == nullptr) app = find_field(index_->defaults(), "app");
    const auto* app_name = app != nullptr && app->valid ? std::get_if<std::string>(&app->value) : nullptr;
    const Base& below = base(app_name != nullptr ? *app_name : "");

    MergedInstance merged{std::make_shared<InstanceSpec>(below.spec), below.blocks};
    InstanceSpec& spec = *merged.spec;
    apply_blocks(own, spec);
    spec.id = id;
    spec.app = app_name != nullptr ? *app_name : "";
    spec.origin = origin;
    derive(spec, *index_, own.empty() ? Position{} : own.back()->at);
    if (const auto file = env_files_->find(spec.env_file); file != env_files_->end())
        spec.process.env_file_values = file->second;
    merged.blocks.insert(merged.blocks.end(), own.begin(), own.end());
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
