// The limits that a cgroup keeps (memory, cpu, tasks): which of them are in force on this machine, and what
// is said of those that are not. Keeping them is io/cgroup's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "supervisor/core/config.hpp"

namespace pmctl {

struct GroupLimits {
    bool memory = false;
    bool cpu = false;
    bool tasks = false;
    std::string why_not;  // of those that are not: "'/sys/fs/cgroup' is not delegated to this user"

    bool operator==(const GroupLimits&) const = default;
};

// Does this run want a group for its limits?
bool wants_group(const LimitSettings& limits);
// "limits of memory and cpu are not in force: ...": what these instances ask for and do not get. "": nothing.
std::string limits_missing(const std::vector<SpecPtr>& instances, const GroupLimits& here);
// By key, as they are written in the configuration; those of the process itself too.
std::map<std::string, std::string> limits_in_force(const LimitSettings& limits, const GroupLimits& here);

}  // namespace pmctl
