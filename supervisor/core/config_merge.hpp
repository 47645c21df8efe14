// Layers → complete specifications: for each key the value of the highest layer that has it, in the order
// that config_layers.hpp tells. `env` is merged by name, everything else is replaced as a whole, lists too.
// Whether the result makes sense is config_check's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/core/config_layers.hpp"

namespace pmctl {

// Path → what was in it.
using EnvFiles = std::map<std::string, Environment>;

struct MergedInstance {
    std::shared_ptr<InstanceSpec> spec;
    LayerIndex::Blocks blocks;  // what it was made from, lowest first
};

struct MergedGlobals {
    GlobalSettings settings;
    std::vector<FieldSource> sources;  // sorted by key
};

// Keeps the templates it has merged: make one for many instances.
class Merger {
  public:
    // Both have to outlive it.
    Merger(const LayerIndex& index, const EnvFiles& env_files);

    // `admin`: the admin service's entry of this id, between the template and the static block, if there is
    // one.
    MergedInstance instance(const std::string& id, const Block* admin = nullptr);

  private:
    struct Base {
        InstanceSpec spec;
        LayerIndex::Blocks blocks;
    };
    const Base& base(const std::string& app);

    const LayerIndex* index_;
    const EnvFiles* env_files_;
    std::map<std::string, Base> bases_;  // by application id; "" without one
};

MergedGlobals merge_globals(const std::vector<Layer>& layers);

}  // namespace pmctl
