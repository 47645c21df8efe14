#include "supervisor/core/problem_list.hpp"

namespace pmctl {

void ProblemList::add(const MergedInstance& instance, std::string_view key, const std::string& message,
                      const std::string& detail) {
    const Field* field = find_field(instance.blocks, key);
    const Block* own = instance.blocks.empty() ? nullptr : instance.blocks.back();
    bool in_own = !tells_instance_ || (own != nullptr && own->name == instance.spec->id);
    if (tells_instance_ && field != nullptr && own != nullptr)
        in_own = field >= own->fields.data() && field < own->fields.data() + own->fields.size();
    add_at(place(instance, key), message, detail + (in_own ? "" : " (in '" + instance.spec->id + "')"));
}

void ProblemList::add_global(std::string_view key, const std::string& message) {
    Position at;
    for (const Layer& layer : index_->layers()) {
        for (const Field& field : layer.globals) {
            if (field.setting->key == key) at = field.at;
        }
        if (at.line == 0 && layer.admin && key.starts_with("admin.")) at = *layer.admin;
    }
    add_at(at, message);
}

void ProblemList::add_at(Position at, const std::string& message, const std::string& detail) {
    if (!known_.emplace(at, message).second) return;
    problems_.push_back({path_of(at), at.line, at.column, message + detail});
}

const std::string& ProblemList::path_of(Position at) const {
    static const std::string none;
    return at.file == admin_file ? none : index_->layers()[at.file].path;
}

Position ProblemList::place(const MergedInstance& instance, std::string_view key) const {
    if (const Field* field = find_field(instance.blocks, key)) return field->at;
    return instance.blocks.empty() ? Position{} : instance.blocks.back()->at;
}

std::string ProblemList::place_text(const MergedInstance& instance, std::string_view key) const {
    const Position at = place(instance, key);
    return path_of(at) + ":" + std::to_string(at.line);
}

}  // namespace pmctl
