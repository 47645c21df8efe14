// Every instance with its replicas, and how they are found: by name, by run, by target, by what depends on
// what, by what changed since when. A container: what happens to them is supervisor.hpp's.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/protocol.hpp"
#include "supervisor/core/replica.hpp"
#include "supervisor/core/tally.hpp"

namespace pmctl {

struct Instance;

// A port that is held for a run.
struct Place {
    std::uint16_t port = 0;  // 0: none
    bool listening = false;  // the supervisor keeps a listening socket on it

    bool operator==(const Place&) const = default;
};

// A run that requests are no longer sent to, while someone may not know that yet.
struct LeftRoute {
    RunNumber run = 0;
    std::uint64_t generation = 0;  // of the route table that no longer has it
    TimePoint at{};
    TimePoint quiet_at{};  // those who were led there have got there by then
};

// One replica and its places in the indexes of the Roster.
struct Member {
    Replica replica;
    std::uint64_t serial = 0;  // one that was made later has a greater one
    Instance* instance = nullptr;
    std::string name;       // as shown: "web", "web:1"
    std::string log_name;   // the same through every scaling: "web" for number 0, then "web:1"
    Place place;            // of the current run: from its first start until it is stopped
    Place candidate_place;  // of the candidate
    std::map<RunNumber, Place> outgoing_places;
    RunNumber routed = 0;  // the run that requests are sent to; 0: none
    std::vector<LeftRoute> left_routes;
    std::string fingerprint;  // of what the current run was started from, where that is not known otherwise
    bool told = false;        // what is wanted of it has been said once
    bool start_due = false;   // at the end of this turn
    bool candidate_due = false;              // the same, of a candidate
    std::uint64_t port_turn = 0;             // its place among those that wait for a port; 0: it does not
    std::uint64_t change = 0;                // generation of its last change
    TimePoint scheduled = TimePoint::max();  // its place among the deadlines
    Tally tally;
};

// The same order each time, which addresses do not have.
struct MadeBefore {
    bool operator()(const Member* a, const Member* b) const { return a->serial < b->serial; }
};

Place& place_of(Slot slot, Member& member);
// What a start in this slot is made from.
const InstanceSpec& spec_of(Slot slot, const Replica& replica);

struct Instance {
    std::string id;
    SpecPtr spec;
    std::optional<std::uint32_t> scale;  // an operator's, until the next reload
    std::vector<std::unique_ptr<Member>> members;
    std::vector<std::string> dependents;  // ids that name this one in depends_on
    bool wants_turn = false;              // among those whose replicas wait to be updated
    TimePoint led_at{};                   // someone was led to one of its replicas last; TimePoint{}: never
    // With on_demand = true:
    TimePoint asked_at{};                  // the last question for one of its hostnames, or start
    TimePoint demanded_at{};               // when it was last started on demand
    TimePoint idle_at = TimePoint::max();  // its place among those that may be idle

    std::uint32_t replicas() const { return scale.value_or(spec->replicas); }
};

class Roster {
  public:
    using Instances = std::map<std::string, Instance, std::less<>>;

    Instances& instances() { return instances_; }
    const Instances& instances() const { return instances_; }
    std::size_t size() const { return members_; }

    // Or gives the one that is there this specification.
    Instance& add_instance(const SpecPtr& spec);
    Member& add_member(Instance& instance, std::uint32_t number);
    // An instance stays with no replica at all, as one that is scaled to 0 does.
    void remove(Member& member);
    void remove_instance(std::string_view id);  // that has no members
    void rename_members(Instance& instance);    // after a scaling
    void link_dependents();                     // after a change of depends_on

    Instance* find(std::string_view id);
    const Instance* find(std::string_view id) const;
    Member* find_member(Instance& instance, std::uint32_t number);
    std::vector<Member*> members_from(Instance& instance, std::uint32_t number);
    Member* find_run(RunNumber run);
    void set_run(Member& member, RunNumber run) { runs_[run] = &member; }
    void forget_run(RunNumber run) { runs_.erase(run); }

    // NotFound with the nearest name, Invalid for an empty list of targets that must not be empty.
    Result<std::vector<Member*>> resolve(const Targets& targets, bool empty_is_all) const;

    // Deadlines, earliest first.
    void schedule(Member& member, TimePoint when);
    TimePoint next_deadline() const;
    Member* take_due(TimePoint now);

    // Generations: each change of anything that is shown has its number.
    std::uint64_t generation() const { return generation_; }
    void touch(Member& member);
    std::vector<Member*> changed_since(std::uint64_t generation) const;
    std::vector<std::string> gone_since(std::uint64_t generation) const;
    // Nothing that old is known any more: an asker has to begin anew.
    bool forgot_since(std::uint64_t generation) const { return generation < oldest_gone_; }

  private:
    void is_there_again(const std::string& name);

    Instances instances_;
    std::size_t members_ = 0;
    std::uint64_t last_serial_ = 0;
    std::unordered_map<RunNumber, Member*> runs_;
    // With the serial: of the same moment the older comes first.
    std::set<std::tuple<TimePoint, std::uint64_t, Member*>> deadlines_;
    std::uint64_t generation_ = 1;
    std::map<std::uint64_t, Member*> changes_;
    std::deque<std::pair<std::uint64_t, std::string>> gone_;
    std::uint64_t oldest_gone_ = 0;
};

}  // namespace pmctl
