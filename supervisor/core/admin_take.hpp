// What a complete answer of the admin service makes of the entries in force: what is new, what is the same,
// what goes, and what is held back since too much would go at once. When the service is asked is
// admin_provider's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "supervisor/core/admin_entry.hpp"
#include "supervisor/core/config.hpp"

namespace pmctl {

// More than half of at least so many at once is a mass removal.
constexpr std::size_t mass_removal_from = 4;

struct TakenAnswer {
    std::vector<AdminEntry> entries;  // to be in force, sorted by id
    std::vector<std::string> held;    // ids among them that the answer no longer has, sorted
    std::size_t removed = 0;          // ids that were in force and no longer are
    bool changed = false;             // `entries` is not what was in force
};

struct TakeRules {
    std::uint64_t event = 0;          // what is new or changed has it; what is the same keeps its own
    bool hold = true;                 // a mass removal is held back
    std::vector<std::string> held{};  // already, sorted; an answer without all of them repeats it
    bool may_confirm = false;         // a repetition counts
};

// `in_force` and `answer`: sorted by id, each id once.
TakenAnswer take_answer(const std::vector<AdminEntry>& in_force, std::vector<AdminEntry> answer,
                        const TakeRules& rules);

}  // namespace pmctl
