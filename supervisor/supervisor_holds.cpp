// Which stops and restarts wait for others: where several are stopped or restarted by one order, those that
// depend on others end before them.
#include "supervisor/supervisor.hpp"

namespace pmctl {

// A stop of `member`, or a restart, waits for the first of these: live, depends on it, and to be stopped or
// restarted as well.
std::string Supervisor::holder_of(const Member& member) const {
    for (const std::string& id : member.instance->dependents) {
        const Instance* dependent = roster_.find(id);
        if (dependent == nullptr) continue;
        for (const auto& each : dependent->members) {
            const Replica& replica = each->replica;
            const bool stops = replica.wanted == Wanted::Stopped || together_.contains(each.get()) ||
                               (has_live_run(replica) && restarting_.contains(replica.run->number));
            if (stops && may_end(replica)) return each->name;
        }
    }
    return "";
}

// `member` no longer holds up the stop of what it depends on.
void Supervisor::release_holds(Member& member, Now now) {
    for (const std::string& id : member.replica.spec->policy.depends_on) {
        Instance* needed = roster_.find(id);
        if (needed == nullptr) continue;
        for (const auto& each : needed->members) hold_anew(*each, now);
    }
}

// A stop or restart that waits finds out for whom, and is carried out when there is nobody.
void Supervisor::hold_anew(Member& member, Now now) {
    if (member.replica.held_by.empty()) return;
    if (member.replica.wanted == Wanted::Running) return restart_replica(member, now);
    stop_replica(member, member.replica.wanted_reason, false, now);
}

void Supervisor::stop_replica(Member& member, const std::string& reason, bool at_once, Now now) {
    StopReplica order{reason, "", at_once, {}};
    if (!at_once) order.held_by = holder_of(member);
    if (order.held_by.empty() && !at_once) order.drain = drain_of(member, now);
    handle(member, order, now);
}

void Supervisor::restart_replica(Member& member, Now now) {
    RestartOrder order{.held_by = holder_of(member)};
    if (order.held_by.empty()) order.drain = drain_of(member, now);
    handle(member, order, now);
}

}  // namespace pmctl
