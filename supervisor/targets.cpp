#include "supervisor/targets.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "shared/nearest.hpp"
#include "supervisor/roster.hpp"

namespace pmctl {

namespace {

using Instances = std::map<std::string, Instance, std::less<>>;

// At `[`: the length of the set, 0 when it is not closed; `hit` says whether `c` is in it.
std::size_t match_set(std::string_view pattern, char c, bool& hit) {
    std::size_t at = 1;
    const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
    if (negated) ++at;
    hit = false;
    for (bool first = true; at < pattern.size() && (first || pattern[at] != ']'); first = false) {
        const char low = pattern[at];
        char high = low;
        if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
            high = pattern[at + 2];
            at += 2;
        }
        if (c >= low && c <= high) hit = true;
        ++at;
    }
    if (at >= pattern.size()) return 0;
    hit = hit != negated;
    return at + 1;
}

// The part of the pattern that `c` takes, 0 when it does not fit.
std::size_t match_one(std::string_view pattern, char c) {
    if (pattern.empty()) return 0;
    if (pattern[0] == '?') return 1;
    if (pattern[0] == '[') {
        bool hit = false;
        if (const std::size_t length = match_set(pattern, c, hit); length != 0) return hit ? length : 0;
    }
    return pattern[0] == c ? 1 : 0;
}

void add_all(const Instance& instance, std::set<Member*>& into) {
    for (const auto& member : instance.members) into.insert(member.get());
}

// What one target means, which depends on what there is: an id may look like a replica or a glob.
struct Meaning {
    const Instance* instance = nullptr;     // an id
    Member* member = nullptr;               // or a replica
    std::optional<std::string_view> group;  // or a group
    bool glob = false;                      // or a glob
};

Meaning meaning_of(const Instances& instances, std::string_view target) {
    if (const auto exact = instances.find(target); exact != instances.end()) return {&exact->second};
    if (const auto colon = target.rfind(':'); colon != std::string_view::npos) {
        const auto owner = instances.find(target.substr(0, colon));
        if (owner != instances.end()) {
            for (const auto& member : owner->second.members) {
                if (std::to_string(member->replica.number) == target.substr(colon + 1)) {
                    return {nullptr, member.get()};
                }
            }
        }
    }
    if (target.starts_with('@')) return {nullptr, nullptr, target.substr(1)};
    return {nullptr, nullptr, std::nullopt, target.find_first_of("*?[") != std::string_view::npos};
}

bool fits(const Meaning& meaning, std::string_view target, const Member& member) {
    if (meaning.instance != nullptr) return member.instance == meaning.instance;
    if (meaning.member != nullptr) return &member == meaning.member;
    const std::string& group = member.instance->spec->policy.group;
    if (meaning.group) return !group.empty() && group == *meaning.group;
    return meaning.glob && (matches_glob(target, member.instance->id) || matches_glob(target, member.name));
}

// False for a target that names nothing that is configured.
bool add_matching(const Instances& instances, const std::string& target, std::set<Member*>& into) {
    const Meaning meaning = meaning_of(instances, target);
    if (meaning.instance != nullptr) {
        add_all(*meaning.instance, into);
        return true;
    }
    if (meaning.member != nullptr) into.insert(meaning.member);
    if (!meaning.group && !meaning.glob) return meaning.member != nullptr;
    bool found = false;
    for (const auto& [id, instance] : instances) {
        for (const auto& member : instance.members) {
            if (!fits(meaning, target, *member)) continue;
            into.insert(member.get());
            found = true;
        }
    }
    return found;
}

std::string unknown(const Instances& instances, const std::string& target) {
    if (target.starts_with('@')) return "no instance is in group '" + target.substr(1) + "'";
    if (target.find_first_of("*?[") != std::string::npos) return "no instance matches '" + target + "'";
    std::vector<std::string> names;
    for (const auto& [id, instance] : instances) {
        names.push_back(id);
        for (const auto& member : instance.members) names.push_back(member->name);
    }
    const std::string near = nearest(target, names);
    return "no instance '" + target + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?");
}

bool before(const Member* a, const Member* b) {
    if (a->instance != b->instance) return a->instance->id < b->instance->id;
    return a->replica.number < b->replica.number;
}

}  // namespace

bool concerns(const Instances& instances, const Targets& targets, const Member& member) {
    if (targets.all || targets.names.empty()) return true;
    return std::any_of(targets.names.begin(), targets.names.end(), [&](const std::string& target) {
        return fits(meaning_of(instances, target), target, member);
    });
}

bool names(const Targets& targets, const Member& member) {
    return std::any_of(targets.names.begin(), targets.names.end(), [&](const std::string& target) {
        return target == member.instance->id || target == member.name;
    });
}

bool matches_glob(std::string_view pattern, std::string_view text) {
    // Backtracking to the last star alone: linear for all that people write.
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t star_text = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = ++p;
            star_text = t;
            continue;
        }
        if (const std::size_t length = match_one(pattern.substr(std::min(p, pattern.size())), text[t]);
            length != 0) {
            p += length;
            ++t;
            continue;
        }
        if (star == std::string_view::npos) return false;
        p = star;
        t = ++star_text;
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

Result<std::vector<Member*>> resolve_targets(const Instances& instances, const Targets& targets,
                                             bool empty_is_all) {
    std::set<Member*> found;
    if (targets.all || (targets.names.empty() && empty_is_all)) {
        for (const auto& [id, instance] : instances) add_all(instance, found);
    } else if (targets.names.empty()) {
        return fail(ErrorKind::Invalid, "name at least one instance, or say --all");
    }
    std::string problems;
    for (const std::string& target : targets.names) {
        if (add_matching(instances, target, found)) continue;
        problems += (problems.empty() ? "" : "; ") + unknown(instances, target);
    }
    if (!problems.empty()) return fail(ErrorKind::NotFound, problems);
    std::vector<Member*> members(found.begin(), found.end());
    std::sort(members.begin(), members.end(), before);
    return members;
}

}  // namespace pmctl
