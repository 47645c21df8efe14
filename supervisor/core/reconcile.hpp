// Desired × actual → Plan: what a new configuration changes, as data, each entry with its reason. Nothing is
// done here: `plan` prints it, the Supervisor carries it out.
//
//   configured   is there        action
//   yes          no              start (keep where enabled, on_demand or autostart say no)
//   yes          yes, quiet      start where they say so no longer
//   no           yes             stop
//   yes          yes, differs    replace (ProcessSpec), update (all else), start or stop (enabled, replicas)
//   yes          yes, same       keep
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/core/config.hpp"

namespace pmctl {

enum class PlanAction { Start, Stop, Replace, Update, Keep };
std::string_view to_text(PlanAction action);

// What the Supervisor has of one instance.
struct Actual {
    SpecPtr spec;
    std::uint32_t replicas = 1;       // how many there are, those that leave not counted
    std::set<std::uint32_t> stopped;  // by an operator: they stay so
    std::set<std::uint32_t> quiet;    // not started yet, or asleep, as the configuration says
};

struct PlanEntry {
    std::string id;
    std::uint32_t number = 0;  // of the replica
    std::string name;          // as it will be shown, for one that stops as it is shown now
    PlanAction action = PlanAction::Keep;
    std::string reason;
};

// Sorted by id and number. `scales`: replicas that an operator asked for, in place of the configured number.
std::vector<PlanEntry> reconcile(const Config& desired, const std::map<std::string, Actual>& actual,
                                 const std::map<std::string, std::uint32_t>& scales);

// Why one of these is not started by itself, "" where it is: "autostart = false".
std::string quiet_by_itself(const InstanceSpec& spec);

// "web" for the only one, "web:1" among several.
std::string replica_name(const std::string& id, std::uint32_t number, std::uint32_t replicas);

}  // namespace pmctl
