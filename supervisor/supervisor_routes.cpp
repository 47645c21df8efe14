// Which runs are given out to those who ask for a hostname, and which are started and stopped by the asking.
#include <algorithm>
#include <utility>

#include "supervisor/supervisor.hpp"

namespace pmctl {

const Run* routable(const Member& member) {
    const Replica& replica = member.replica;
    const bool serves = has_live_run(replica) && replica.run->phase == Phase::Running &&
                        replica.wanted == Wanted::Running && !replica.leaving && replica.run->port != 0;
    return serves ? &*replica.run : nullptr;
}

// The hostnames of a new configuration.
void Supervisor::configure_routes(Now now) {
    for (auto& [id, instance] : roster_.instances()) {
        if (!is_configured(id)) routes_.forget(id);
    }
    for (const SpecPtr& spec : config_.instances) {
        routes_.set_hosts(spec->id, spec->hostnames, spec->policy.on_demand);
        Instance* instance = roster_.find(spec->id);
        watch_idle(*instance, instance->asked_at == TimePoint{} ? now.steady : instance->asked_at);
    }
}

// At the end of each turn: those that changed in it.
void Supervisor::update_routes() {
    for (const Member* member : roster_.changed_since(routes_seen_)) {
        const Replica& replica = member->replica;
        const Run* run = routable(*member);
        std::optional<Upstream> upstream;
        if (run != nullptr) upstream = Upstream{member->name, replica.number, run->port};
        routes_.set_upstream(member->instance->id, replica.number, upstream);
    }
    routes_seen_ = roster_.generation();
}

RouteAnswer Supervisor::ask_route(std::string_view host, Now now) {
    RouteAnswer answer{routes_.find(host), {}};
    if (!answer.found.on_demand || finishing_) return answer;
    Instance* instance = roster_.find(*answer.found.instance);
    if (instance == nullptr) return answer;
    instance->asked_at = now.steady;
    if (answer.found.upstream != nullptr) return answer;
    const auto waits = [this](const auto& member) {
        return may_start_on_demand(*member) && member->replica.wanted == Wanted::Stopped;
    };
    // A question that changes nothing is no turn: those who wait ask again after each.
    if (std::any_of(instance->members.begin(), instance->members.end(), waits)) {
        const Turn turn(*this, now);
        start_on_demand(*instance, now);
    }
    const bool may = std::any_of(instance->members.begin(), instance->members.end(),
                                 [this](const auto& member) { return may_start_on_demand(*member); });
    const TimePoint until = instance->demanded_at + instance->spec->policy.health.startup_timeout;
    if (may && now.steady < until) answer.hold_until = until;
    // One without health checks is up at once.
    answer.found = routes_.find(host);
    return answer;
}

bool Supervisor::may_start_on_demand(const Member& member) const {
    const Replica& replica = member.replica;
    if (replica.leaving || !replica.spec->enabled) return false;
    const auto told = intentions_.find({member.instance->id, replica.number});
    return told == intentions_.end() || told->second != Wanted::Stopped;
}

void Supervisor::start_on_demand(Instance& instance, Now now) {
    bool begins = false;
    for (const auto& member : instance.members) {
        if (!may_start_on_demand(*member) || member->replica.wanted == Wanted::Running) continue;
        // What it needs may be waiting to be asked for as well.
        for (const std::string& id : instance.spec->policy.depends_on) {
            Instance* needed = roster_.find(id);
            if (needed != nullptr && needed->spec->policy.on_demand) start_on_demand(*needed, now);
        }
        if (!std::exchange(begins, true)) instance.demanded_at = now.steady;
        handle(*member, StartOrder{"asked for by a route query"}, now);
        note(member->name, "decision", "started: asked for by a route query", now);
    }
}

// It is looked at when it may have been idle for too long, had nobody asked after `when`; max(): never.
void Supervisor::watch_idle(Instance& instance, TimePoint when) {
    if (instance.idle_at != TimePoint::max()) idle_.erase({instance.idle_at, &instance});
    instance.idle_at = TimePoint::max();
    const Policy& policy = instance.spec->policy;
    const bool runs = std::any_of(instance.members.begin(), instance.members.end(),
                                  [](const auto& each) { return each->replica.wanted == Wanted::Running; });
    if (when == TimePoint::max() || !policy.on_demand || policy.idle_timeout == Duration::zero() || !runs)
        return;
    instance.asked_at = std::max(instance.asked_at, when);
    instance.idle_at = instance.asked_at + policy.idle_timeout;
    idle_.emplace(instance.idle_at, &instance);
}

void Supervisor::stop_idle(Now now) {
    while (!idle_.empty() && idle_.begin()->first <= now.steady) {
        Instance& instance = *idle_.begin()->second;
        idle_.erase(idle_.begin());
        instance.idle_at = TimePoint::max();
        stop_if_idle(instance, now);
    }
}

void Supervisor::stop_if_idle(Instance& instance, Now now) {
    const Policy& policy = instance.spec->policy;
    if (!policy.on_demand || policy.idle_timeout == Duration::zero()) return;
    const bool needed =
        std::any_of(instance.dependents.begin(), instance.dependents.end(), [&](const std::string& id) {
            const Instance* other = roster_.find(id);
            return other != nullptr &&
                   std::any_of(other->members.begin(), other->members.end(),
                               [](const auto& each) { return each->replica.wanted == Wanted::Running; });
        });
    if (needed) return watch_idle(instance, now.steady);
    if (instance.asked_at + policy.idle_timeout > now.steady) return watch_idle(instance, instance.asked_at);
    for (const auto& member : instance.members) {
        if (member->replica.wanted != Wanted::Running) continue;
        handle(*member, StopReplica{"idle: no route query for " + format_duration(policy.idle_timeout), ""},
               now);
    }
}

}  // namespace pmctl
