// What each file of a configuration says, field by field with its place, before anything is merged; and which
// of these blocks stand over which for one instance. The order, lowest first:
//
//   built-in default < [defaults] < [apps."*"] or [apps."NAME"] < the admin service's entry < [instances.ID]
//
// "*" serves application ids with no template of their own, and those alone. Where several files say
// something in one block (the same id, the same template, [defaults]), a later file overrides an earlier one
// field by field, the main file being the first: a drop-in changes what it names and keeps the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/core/problem.hpp"
#include "supervisor/core/settings.hpp"

namespace pmctl {

// One key that a file sets.
struct Field {
    const Setting* setting = nullptr;
    std::string variable;  // of "env": which one; else ""
    Value value;
    Position at;
    bool valid = true;  // false: a problem is known, the value does not count
};

// [defaults], one [apps.NAME], one [instances.ID], or one entry of the admin service.
struct Block {
    std::string name;  // NAME or ID
    Position at;       // of an entry: in admin_file, line 0
    std::vector<Field> fields;
    std::uint64_t event = 0;  // of an entry: the one with which it came, 0 where that is not known
};

struct Include {
    std::string pattern;  // absolute
    Position at;
};

struct Layer {
    std::string path;  // absolute
    std::vector<Field> globals;
    std::optional<Position> admin;  // there is an [admin]
    std::vector<Include> includes;
    Block defaults;
    std::vector<Block> apps;
    std::vector<Block> instances;
};

// The layers of one configuration by subject. Points into them: they have to stay where they are.
class LayerIndex {
  public:
    using Blocks = std::vector<const Block*>;  // lowest first

    explicit LayerIndex(const std::vector<Layer>& layers);

    const std::vector<Layer>& layers() const { return *layers_; }
    // Each id once, sorted.
    std::vector<std::string> instance_ids() const;
    std::vector<std::string> app_names() const;
    Blocks defaults() const;
    // Of this id; empty where no file has it.
    Blocks instance(std::string_view id) const;
    // The template of this application, its own or "*"; empty where there is neither.
    Blocks app(std::string_view name) const;
    bool has_app(std::string_view name) const { return !app(name).empty(); }

  private:
    const std::vector<Layer>* layers_;
    Blocks instances_;  // sorted by name, of one name in the order of the files
    Blocks apps_;
};

// The last field of this key; null where none of the blocks has it. `variable` only for "env".
const Field* find_field(const LayerIndex::Blocks& blocks, std::string_view key,
                        std::string_view variable = {});

}  // namespace pmctl
