// What the files of a configuration said when it was loaded, kept beside it where there is an [admin]: the
// service's answers are merged into this, so that an edit comes into force by a reload alone, and an answer
// reads no file.
#pragma once

#include <vector>

#include "supervisor/core/config_layers.hpp"
#include "supervisor/core/config_merge.hpp"

namespace pmctl {

struct StaticPart {
    std::vector<Layer> layers;
    EnvFiles env_files;
    Environment environment;         // as children are to inherit it
    std::vector<SpecPtr> instances;  // those that files alone describe, sorted by id
};

}  // namespace pmctl
