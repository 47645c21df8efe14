// Where instances come from: a provider says which ids it has, and what it says of each. The files of the
// configuration are one, the admin service's entries (admin_instances.hpp) another. Which stands over which
// is config_merge's.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/core/config_layers.hpp"

namespace pmctl {

template <class Source>
concept InstanceProvider = requires(const Source& source, std::string_view id) {
    // Each once, sorted.
    { source.ids() } -> std::same_as<std::vector<std::string>>;
    // Lowest first; empty: it says nothing of this instance. They stay as long as the source.
    { source.find(id) } -> std::same_as<LayerIndex::Blocks>;
};

// The [instances.ID] of all files.
class StaticInstances {
  public:
    // Has to outlive it.
    explicit StaticInstances(const LayerIndex& index) : index_(&index) {}

    std::vector<std::string> ids() const { return index_->instance_ids(); }
    LayerIndex::Blocks find(std::string_view id) const { return index_->instance(id); }

  private:
    const LayerIndex* index_;
};
static_assert(InstanceProvider<StaticInstances>);

}  // namespace pmctl
