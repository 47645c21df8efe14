// Layers → complete specifications: for each key the value of the highest layer that has it, in the order
// that config_layers.hpp tells. `env` is merged by name, everything else is replaced as a whole, lists too.
// Whether the result makes sense is config_check's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/core/config_layers.hpp"
#include "supervisor/core/instance_provider.hpp"

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

    // Of the providers the lower one first: the admin service stands below the files.
    template <InstanceProvider Below, InstanceProvider Above>
    MergedInstance instance(const std::string& id, const Below& below, const Above& above) {
        return merge(id, below.find(id), above.find(id));
    }
    // What the files alone make of it.
    template <InstanceProvider Only>
    MergedInstance instance(const std::string& id, const Only& only) {
        return merge(id, {}, only.find(id));
    }

  private:
    struct Base {
        InstanceSpec spec;
        LayerIndex::Blocks blocks;
    };
    const Base& base(const std::string& app);
    MergedInstance merge(const std::string& id, LayerIndex::Blocks admin, const LayerIndex::Blocks& own);

    const LayerIndex* index_;
    const EnvFiles* env_files_;
    std::map<std::string, Base, std::less<>> bases_;  // by template; "" without one
};

MergedGlobals merge_globals(const std::vector<Layer>& layers);

}  // namespace pmctl
