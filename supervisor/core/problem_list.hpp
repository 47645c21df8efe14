// Collects the problems that checks find in merged instances, each at the place of the value that is to
// blame.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/core/config_layers.hpp"
#include "supervisor/core/config_merge.hpp"
#include "supervisor/core/problem.hpp"

namespace pmctl {

class ProblemList {
  public:
    // `tells_instance`: that a fault of a template or of [defaults] is told with an instance that shows it.
    explicit ProblemList(const LayerIndex& index, bool tells_instance = true)
        : index_(&index), tells_instance_(tells_instance) {}

    // Once for a place and message: what a template does wrong, all of its instances do. `detail` is added to
    // the message of the first.
    void add(const MergedInstance& instance, std::string_view key, const std::string& message,
             const std::string& detail = "");
    // At a key that is no instance's; the main file as a whole where nobody has set it.
    void add_global(std::string_view key, const std::string& message);
    void add_at(Position at, const std::string& message, const std::string& detail = "");

    // Of the highest block that has the key, or of the instance's own block.
    Position place(const MergedInstance& instance, std::string_view key) const;
    // "file:line"
    std::string place_text(const MergedInstance& instance, std::string_view key) const;
    // The key was set, if only to something that is a problem already.
    static bool is_set(const MergedInstance& instance, std::string_view key) {
        return find_field(instance.blocks, key) != nullptr;
    }

    std::vector<Problem> take() { return std::move(problems_); }

  private:
    const std::string& path_of(Position at) const;

    const LayerIndex* index_;
    bool tells_instance_;
    std::vector<Problem> problems_;
    std::set<std::pair<Position, std::string>> known_;
};

}  // namespace pmctl
