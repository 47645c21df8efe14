// Where a value of an instance was said: found by its key, and in words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/core/config.hpp"

namespace pmctl {

// `sources`: sorted by key. Null where nobody said it: it is the default.
const FieldSource* find_source(const std::vector<FieldSource>& sources, std::string_view key);

inline bool is_from_admin(const FieldSource* source) {
    return source != nullptr && source->file == admin_file;
}

// "admin event 42"; "admin" where the event is not known.
std::string admin_text(std::uint64_t event);

// "/etc/pmctl/pmctl.toml:12", admin_text or "default". `files`: Config::files. `event`: that of the
// instance's entry.
std::string source_text(const FieldSource* source, const std::vector<std::string>& files,
                        std::uint64_t event = 0);

}  // namespace pmctl
