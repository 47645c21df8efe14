#include "supervisor/core/field_source.hpp"

#include <algorithm>

namespace pmctl {

const FieldSource* find_source(const std::vector<FieldSource>& sources, std::string_view key) {
    const auto at =
        std::lower_bound(sources.begin(), sources.end(), key,
                         [](const FieldSource& source, std::string_view k) { return source.key < k; });
    return at != sources.end() && at->key == key ? &*at : nullptr;
}

std::string admin_text(std::uint64_t event) {
    return event == 0 ? "admin" : "admin event " + std::to_string(event);
}

std::string source_text(const FieldSource* source, const std::vector<std::string>& files,
                        std::uint64_t event) {
    if (is_from_admin(source)) return admin_text(event);
    if (source == nullptr || source->file >= files.size()) return "default";
    return files[source->file] + ":" + std::to_string(source->line);
}

}  // namespace pmctl
