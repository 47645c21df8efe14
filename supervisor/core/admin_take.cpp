#include "supervisor/core/admin_take.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace pmctl {

namespace {

bool is_lower(const AdminEntry& a, const AdminEntry& b) {
    return a.id < b.id;
}

}  // namespace

TakenAnswer take_answer(const std::vector<AdminEntry>& in_force, std::vector<AdminEntry> answer,
                        const TakeRules& rules) {
    TakenAnswer taken;
    std::vector<AdminEntry> gone;
    std::set_difference(in_force.begin(), in_force.end(), answer.begin(), answer.end(),
                        std::back_inserter(gone), is_lower);
    auto before = in_force.begin();
    for (AdminEntry& entry : answer) {
        while (before != in_force.end() && before->id < entry.id) ++before;
        const bool same =
            before != in_force.end() && before->id == entry.id && before->fields == entry.fields;
        entry.event = same ? before->event : rules.event;
        taken.changed = taken.changed || !same;
    }

    const bool is_mass = in_force.size() >= mass_removal_from && gone.size() * 2 > in_force.size();
    std::vector<std::string> ids;
    ids.reserve(gone.size());
    for (const AdminEntry& entry : gone) ids.push_back(entry.id);
    const bool repeats =
        !rules.held.empty() && std::includes(ids.begin(), ids.end(), rules.held.begin(), rules.held.end());
    // Those that are held already stay so until a repetition counts, few as they may be among others by now.
    const bool wait = repeats ? !rules.may_confirm : is_mass;
    if (rules.hold && wait) {
        taken.held = std::move(ids);
        taken.entries.reserve(answer.size() + gone.size());
        std::merge(std::make_move_iterator(answer.begin()), std::make_move_iterator(answer.end()),
                   std::make_move_iterator(gone.begin()), std::make_move_iterator(gone.end()),
                   std::back_inserter(taken.entries), is_lower);
        return taken;
    }
    taken.removed = gone.size();
    taken.changed = taken.changed || !gone.empty();
    taken.entries = std::move(answer);
    return taken;
}

}  // namespace pmctl
