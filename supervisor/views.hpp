// What the supervisor's state looks like from outside: a member as a row, its outlook, its story. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "shared/protocol.hpp"
#include "supervisor/supervisor.hpp"

namespace pmctl {

Outlook outlook_of(const Supervisor& supervisor, const Member& member);
// `limits`: Effects::group_limits.
StatusRow row_of(const Supervisor& supervisor, const Member& member, const GroupLimits& limits, Now now);
// Commands to try next, with why; none for one that is as it should be.
std::vector<std::pair<std::string, std::string>> hints_for(const Member& member);
EventRow row_of(const Event& event);
PortsReply ports_of(const Supervisor& supervisor);
// One row an upstream, or one for the instance where none is healthy.
void add_routes(const Supervisor& supervisor, const RouteRow& row, std::vector<RouteLine>& lines);

}  // namespace pmctl
