// What is wanted of a replica: by the configuration, by an operator's word, by what depends on it, and by
// those that the start of this supervisor named.
#include <algorithm>
#include <set>
#include <utility>

#include "supervisor/supervisor.hpp"
#include "supervisor/targets.hpp"

namespace pmctl {

namespace {

bool any_wanted(const Instance& instance) {
    return std::any_of(instance.members.begin(), instance.members.end(), [](const auto& each) {
        return !each->replica.leaving && each->replica.wanted == Wanted::Running;
    });
}

}  // namespace

// What the configuration and an operator's earlier word make of a replica that has just come into being.
void Supervisor::want_at_first(Member& member, Now now) {
    const InstanceSpec& spec = *member.replica.spec;
    const bool is_new = !std::exchange(member.told, true);
    if (left_alone_.contains(&member)) return;
    const auto intention = intentions_.find({spec.id, member.replica.number});
    const bool told = intention != intentions_.end();
    if (!spec.enabled) return stop_replica(member, "enabled = false", false, now);
    // One more of those that an operator has stopped is stopped like them.
    if ((!told || (applied_ && is_new)) && others_are_stopped(member)) {
        remember_intention(member, Wanted::Stopped);
        return stop_replica(member, "stopped by an operator", false, now);
    }
    if (told && intention->second == Wanted::Stopped)
        return stop_replica(member, "stopped by an operator", false, now);
    if (!applied_ && resume_rest(member, now)) return;
    // What was found running was started by the configuration or a question, and not stopped since.
    if (!told && has_live_run(member.replica)) return handle(member, StartOrder{}, now);
    // One more of those that were started although they do not start by themselves.
    if (!told && joins_others(member)) {
        // That an operator started them counts for it too, also under the next supervisor.
        if (!quiet_by_itself(spec).empty() && others_were_started(member))
            remember_intention(member, Wanted::Running);
        return handle(member, StartOrder{}, now);
    }
    if (const std::string quiet = told ? "" : why_quiet(member); !quiet.empty())
        return stop_replica(member, quiet, false, now);
    handle(member, StartOrder{}, now);
}

// "" for one that is to run unless an operator says otherwise.
std::string Supervisor::why_quiet(const Member& member) const {
    if (std::string quiet = quiet_by_itself(*member.replica.spec); !quiet.empty()) return quiet;
    return concerns(roster_.instances(), only_, member) ? "" : "not among those that were asked for at first";
}

bool Supervisor::is_stopped_by_operator(const Member& member) const {
    const auto told = intentions_.find({member.instance->id, member.replica.number});
    return told != intentions_.end() && told->second == Wanted::Stopped;
}

// What those of `todo` that are to run depend on is started for them, unless an operator has stopped it. Each
// is looked at once, however many ways lead there.
void Supervisor::start_needed(std::vector<Instance*> todo, Now now) {
    std::set<const Instance*> seen;
    while (!todo.empty()) {
        const Instance& needs = *todo.back();
        todo.pop_back();
        if (!any_wanted(needs) || !seen.insert(&needs).second) continue;
        for (const std::string& id : needs.spec->policy.depends_on) {
            Instance* needed = roster_.find(id);
            if (needed == nullptr) continue;
            for (const auto& member : needed->members) {
                if (member->replica.wanted == Wanted::Running || !may_be_asked_for(*member)) continue;
                needed->demanded_at = now.steady;
                handle(*member, StartOrder{"needed by '" + needs.id + "'"}, now);
                note(member->name, "decision", "started: needed by '" + needs.id + "'", now);
            }
            todo.push_back(needed);
        }
    }
}

// One of them runs, or is to, although the configuration does not start it.
bool Supervisor::joins_others(const Member& member) const {
    return applied_ && std::any_of(member.instance->members.begin(), member.instance->members.end(),
                                   [&](const auto& each) {
                                       return each.get() != &member && each->told && !each->replica.leaving &&
                                              each->replica.wanted == Wanted::Running;
                                   });
}

// By an operator's word, one of them.
bool Supervisor::others_were_started(const Member& member) const {
    return std::any_of(member.instance->members.begin(), member.instance->members.end(),
                       [&](const auto& each) {
                           const auto told = intentions_.find({member.instance->id, each->replica.number});
                           return told != intentions_.end() && told->second == Wanted::Running;
                       });
}

// By an operator's word, all of them that are there already.
bool Supervisor::others_are_stopped(const Member& member) const {
    bool any = false;
    for (const auto& each : member.instance->members) {
        if (each.get() == &member || each->replica.leaving || !each->told) continue;
        const auto intention = intentions_.find({member.instance->id, each->replica.number});
        if (intention == intentions_.end() || intention->second == Wanted::Running) return false;
        any = true;
    }
    return any;
}

void Supervisor::remember_intention(const Member& member, Wanted wanted) {
    const std::pair key{member.instance->id, member.replica.number};
    const auto known = intentions_.find(key);
    if (known != intentions_.end() && known->second == wanted) return;
    intentions_[key] = wanted;
    effects_.store({.kind = StoreWrite::Kind::SetIntention, .intention = {key.first, key.second, wanted}});
}

}  // namespace pmctl
