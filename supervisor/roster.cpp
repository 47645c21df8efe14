#include "supervisor/roster.hpp"

#include <algorithm>

#include "supervisor/core/reconcile.hpp"
#include "supervisor/targets.hpp"

namespace pmctl {

namespace {

constexpr std::size_t gone_kept =
    4096;  // names of removed replicas that waiting commands may still ask about

}  // namespace

Place& place_of(Slot slot, Member& member) {
    switch (slot) {
        case Slot::Current: break;
        case Slot::Candidate: return member.candidate_place;
    }
    return member.place;
}

const InstanceSpec& spec_of(Slot slot, const Replica& replica) {
    switch (slot) {
        case Slot::Current: break;
        case Slot::Candidate: return *replica.update.spec;
    }
    return *next_spec(replica);
}

Instance& Roster::add_instance(const SpecPtr& spec) {
    Instance& instance = instances_[spec->id];
    instance.id = spec->id;
    instance.spec = spec;
    return instance;
}

Member& Roster::add_member(Instance& instance, std::uint32_t number) {
    auto member = std::make_unique<Member>();
    member->serial = ++last_serial_;
    member->instance = &instance;
    member->replica.spec = instance.spec;
    member->replica.number = number;
    member->name = replica_name(instance.id, number, instance.replicas());
    member->log_name = replica_name(instance.id, number, number == 0 ? 1 : 2);
    Member& added = *member;
    is_there_again(added.name);
    instance.members.push_back(std::move(member));
    ++members_;
    touch(added);
    return added;
}

void Roster::remove(Member& member) {
    schedule(member, TimePoint::max());
    changes_.erase(member.change);
    gone_.emplace_back(++generation_, member.name);
    while (gone_.size() > gone_kept) {
        oldest_gone_ = gone_.front().first;
        gone_.pop_front();
    }
    if (member.replica.run) forget_run(member.replica.run->number);
    --members_;
    Instance& instance = *member.instance;
    std::erase_if(instance.members, [&](const auto& each) { return each.get() == &member; });
}

// Nobody can depend on it any longer by its links; those who still name it find them again when it comes
// back.
void Roster::remove_instance(std::string_view id) {
    const auto place = instances_.find(id);
    for (const std::string& needed : place->second.spec->policy.depends_on) {
        if (Instance* other = find(needed)) std::erase(other->dependents, id);
    }
    instances_.erase(place);
}

void Roster::rename_members(Instance& instance) {
    for (const auto& member : instance.members) {
        // One that leaves keeps the name under which it was known.
        if (member->replica.leaving || member->replica.number >= instance.replicas()) continue;
        std::string name = replica_name(instance.id, member->replica.number, instance.replicas());
        if (name == member->name) continue;
        gone_.emplace_back(++generation_, std::exchange(member->name, std::move(name)));
        is_there_again(member->name);
        touch(*member);
    }
}

void Roster::is_there_again(const std::string& name) {
    std::erase_if(gone_, [&](const auto& each) { return each.second == name; });
}

void Roster::link_dependents() {
    for (auto& [id, instance] : instances_) instance.dependents.clear();
    for (auto& [id, instance] : instances_) {
        for (const std::string& needed : instance.spec->policy.depends_on) {
            if (Instance* other = find(needed)) other->dependents.push_back(id);
        }
    }
}

Instance* Roster::find(std::string_view id) {
    const auto found = instances_.find(id);
    return found == instances_.end() ? nullptr : &found->second;
}

const Instance* Roster::find(std::string_view id) const {
    const auto found = instances_.find(id);
    return found == instances_.end() ? nullptr : &found->second;
}

Member* Roster::find_member(Instance& instance, std::uint32_t number) {
    for (const auto& member : instance.members) {
        if (member->replica.number == number) return member.get();
    }
    return nullptr;
}

std::vector<Member*> Roster::members_from(Instance& instance, std::uint32_t number) {
    std::vector<Member*> members;
    for (const auto& member : instance.members) {
        if (member->replica.number >= number) members.push_back(member.get());
    }
    return members;
}

Member* Roster::find_run(RunNumber run) {
    const auto found = runs_.find(run);
    return found == runs_.end() ? nullptr : found->second;
}

Result<std::vector<Member*>> Roster::resolve(const Targets& targets, bool empty_is_all) const {
    return resolve_targets(instances_, targets, empty_is_all);
}

void Roster::schedule(Member& member, TimePoint when) {
    if (member.scheduled == when) return;
    if (member.scheduled != TimePoint::max()) deadlines_.erase({member.scheduled, member.serial, &member});
    member.scheduled = when;
    if (when != TimePoint::max()) deadlines_.emplace(when, member.serial, &member);
}

TimePoint Roster::next_deadline() const {
    return deadlines_.empty() ? TimePoint::max() : std::get<TimePoint>(*deadlines_.begin());
}

Member* Roster::take_due(TimePoint now) {
    if (deadlines_.empty() || std::get<TimePoint>(*deadlines_.begin()) > now) return nullptr;
    Member* member = std::get<Member*>(*deadlines_.begin());
    deadlines_.erase(deadlines_.begin());
    member->scheduled = TimePoint::max();
    return member;
}

void Roster::touch(Member& member) {
    if (member.change != 0) changes_.erase(member.change);
    member.change = ++generation_;
    changes_.emplace_hint(changes_.end(), member.change, &member);
}

std::vector<Member*> Roster::changed_since(std::uint64_t generation) const {
    std::vector<Member*> changed;
    for (auto at = changes_.upper_bound(generation); at != changes_.end(); ++at)
        changed.push_back(at->second);
    return changed;
}

std::vector<std::string> Roster::gone_since(std::uint64_t generation) const {
    std::vector<std::string> names;
    auto at = std::upper_bound(gone_.begin(), gone_.end(), generation,
                               [](std::uint64_t number, const auto& each) { return number < each.first; });
    for (; at != gone_.end(); ++at) names.push_back(at->second);
    return names;
}

}  // namespace pmctl
