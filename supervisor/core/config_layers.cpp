#include "supervisor/core/config_layers.hpp"

#include <algorithm>

namespace pmctl {
namespace {

using Blocks = LayerIndex::Blocks;

Blocks named(const Blocks& sorted, std::string_view name) {
    const auto first =
        std::lower_bound(sorted.begin(), sorted.end(), name,
                         [](const Block* block, std::string_view n) { return block->name < n; });
    auto last = first;
    while (last != sorted.end() && (*last)->name == name) ++last;
    return {first, last};
}

std::vector<std::string> names(const Blocks& sorted) {
    std::vector<std::string> names;
    for (const Block* block : sorted) {
        if (names.empty() || names.back() != block->name) names.push_back(block->name);
    }
    return names;
}

void sort_by_name(Blocks& blocks) {
    std::stable_sort(blocks.begin(), blocks.end(),
                     [](const Block* a, const Block* b) { return a->name < b->name; });
}

}  // namespace

LayerIndex::LayerIndex(const std::vector<Layer>& layers) : layers_(&layers) {
    for (const Layer& layer : layers) {
        for (const Block& block : layer.instances) instances_.push_back(&block);
        for (const Block& block : layer.apps) apps_.push_back(&block);
    }
    sort_by_name(instances_);
    sort_by_name(apps_);
}

std::vector<std::string> LayerIndex::instance_ids() const {
    return names(instances_);
}

std::vector<std::string> LayerIndex::app_names() const {
    return names(apps_);
}

Blocks LayerIndex::defaults() const {
    Blocks blocks;
    for (const Layer& layer : *layers_) blocks.push_back(&layer.defaults);
    return blocks;
}

Blocks LayerIndex::instance(std::string_view id) const {
    return named(instances_, id);
}

Blocks LayerIndex::app(std::string_view name) const {
    Blocks own = named(apps_, name);
    return own.empty() ? named(apps_, "*") : own;
}

const Field* find_field(const Blocks& blocks, std::string_view key, std::string_view variable) {
    for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
        for (const Field& field : (*block)->fields) {
            if (field.setting->key == key && (variable.empty() || field.variable == variable)) return &field;
        }
    }
    return nullptr;
}

}  // namespace pmctl
