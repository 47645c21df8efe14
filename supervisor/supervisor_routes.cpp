// Which runs are given out to those who ask for a hostname, and which are started and stopped by the asking.
#include <algorithm>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "supervisor/supervisor.hpp"

namespace pmctl {

namespace {

// A proxy that asks where to send a request (auth_request, forward_auth) has connected by then, also on a
// machine that is busy; and most requests that have come are answered.
constexpr Duration answer_in_use = std::chrono::milliseconds(500);

}  // namespace

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
    // One that is disabled claims nothing: it answers for a hostname only where nobody else does.
    std::set<std::string_view> claimed;
    for (const SpecPtr& spec : config_.instances) {
        if (spec->enabled) claimed.insert(spec->hostnames.begin(), spec->hostnames.end());
    }
    for (const SpecPtr& spec : config_.instances) {
        std::vector<std::string> hostnames = spec->hostnames;
        if (!spec->enabled)
            std::erase_if(hostnames, [&](const std::string& each) { return claimed.contains(each); });
        routes_.set_hosts(spec->id, hostnames, spec->policy.on_demand);
        Instance* instance = roster_.find(spec->id);
        watch_idle(*instance, instance->asked_at == TimePoint{} ? now.steady : instance->asked_at);
    }
}

// At the end of each turn: those that changed in it.
void Supervisor::update_routes(Now now) {
    std::vector<std::pair<Member*, RunNumber>> left;
    for (Member* member : roster_.changed_since(routes_seen_)) {
        const Replica& replica = member->replica;
        const Run* run = routable(*member);
        const RunNumber routed = run == nullptr ? 0 : run->number;
        const RunNumber before = std::exchange(member->routed, routed);
        if (before == 0 && routed == 0) continue;
        if (routed != 0)
            std::erase_if(member->left_routes, [&](const auto& each) { return each.run == routed; });
        if (before != 0 && before != routed) left.emplace_back(member, before);
        std::optional<Upstream> upstream;
        if (run != nullptr) upstream = Upstream{member->name, replica.number, run->port};
        routes_.set_upstream(member->instance->id, replica.number, upstream);
    }
    routes_seen_ = roster_.generation();
    // The number of the table without all of them is known now.
    for (const auto& [member, run] : left) leave_route(*member, run, now);
}

// Requests are no longer sent to this run; those that follow the table, or were led there just now, may not
// know it yet.
void Supervisor::leave_route(Member& member, RunNumber run, Now now) {
    const Replica& replica = member.replica;
    const Run* live = find_run(replica, run);
    if (live == nullptr) return;
    const TimePoint led_at = member.instance->led_at;
    const bool led = led_at != TimePoint{} && now.steady < led_at + answer_in_use;
    if (!led && effects_.routes_seen() >= routes_.generation()) {
        return handle(member, Unrouted{run, now.steady}, now);
    }
    const bool is_current = replica.run && replica.run->number == run;
    // What an update leaves behind costs nobody anything: it has the time to answer those who came last.
    const Duration use = is_current ? answer_in_use : replica.spec->policy.update.drain;
    const TimePoint quiet_at = led ? led_at + use : now.steady + (is_current ? Duration{} : answer_in_use);
    member.left_routes.push_back({run, routes_.generation(), now.steady, quiet_at});
    draining_.insert(&member);
}

// So long a run that is to stop now may be sent requests.
Duration Supervisor::drain_of(const Member& member, Now now) {
    const Replica& replica = member.replica;
    if (!has_live_run(replica) || replica.run->phase == Phase::Stopping) return {};
    const RunNumber run = replica.run->number;
    const Duration longest = replica.spec->policy.update.drain;
    if (member.routed == run) {
        const TimePoint led_at = member.instance->led_at;
        const bool led = led_at != TimePoint{} && now.steady < led_at + answer_in_use;
        const bool followed = effects_.routes_seen() != std::numeric_limits<std::uint64_t>::max();
        return led || followed ? longest : Duration::zero();
    }
    for (const LeftRoute& each : member.left_routes) {
        if (each.run == run) return std::max(each.at + longest - now.steady, Duration::zero());
    }
    return {};
}

// Those that everybody knows to be gone are told to end.
void Supervisor::end_drains(Now now) {
    if (draining_.empty()) return;
    const std::uint64_t seen = effects_.routes_seen();
    for (Member* member : std::vector<Member*>(draining_.begin(), draining_.end())) {
        std::vector<LeftRoute> known;
        std::erase_if(member->left_routes, [&](const LeftRoute& each) {
            if (find_run(member->replica, each.run) == nullptr) return true;
            if (seen < each.generation) return false;
            known.push_back(each);
            return true;
        });
        if (member->left_routes.empty()) draining_.erase(member);
        for (const LeftRoute& each : known) handle(*member, Unrouted{each.run, each.quiet_at}, now);
    }
}

void Supervisor::routes_read(Now now) {
    const Turn turn(*this, now);
}

RouteAnswer Supervisor::ask_route(std::string_view host, Now now) {
    RouteAnswer answer{routes_.find(host), {}};
    if (answer.found.instance == nullptr) return answer;
    Instance* instance = roster_.find(*answer.found.instance);
    if (instance == nullptr) return answer;
    if (answer.found.upstream != nullptr) instance->led_at = now.steady;
    if (!answer.found.on_demand || finishing_) return answer;
    instance->asked_at = now.steady;
    if (answer.found.upstream != nullptr) return answer;
    const auto waits = [this](const auto& member) {
        return may_be_asked_for(*member) && member->replica.wanted == Wanted::Stopped;
    };
    // A question that changes nothing is no turn: those who wait ask again after each.
    if (std::any_of(instance->members.begin(), instance->members.end(), waits)) {
        const Turn turn(*this, now);
        start_on_demand(*instance, now);
    }
    const bool may = std::any_of(instance->members.begin(), instance->members.end(),
                                 [this](const auto& member) { return may_be_asked_for(*member); });
    const TimePoint until = instance->demanded_at + instance->spec->policy.health.startup_timeout;
    if (may && now.steady < until) answer.hold_until = until;
    // One without health checks is up at once.
    answer.found = routes_.find(host);
    if (answer.found.upstream != nullptr) instance->led_at = now.steady;
    return answer;
}

// By a route query, or by one that depends on it.
bool Supervisor::may_be_asked_for(const Member& member) const {
    return !member.replica.leaving && member.replica.spec->enabled && !is_stopped_by_operator(member) &&
           !left_alone_.contains(&member);
}

void Supervisor::start_on_demand(Instance& instance, Now now) {
    bool begins = false;
    for (const auto& member : instance.members) {
        if (!may_be_asked_for(*member) || member->replica.wanted == Wanted::Running) continue;
        begins = true;
        handle(*member, StartOrder{"asked for by a route query"}, now);
        note(member->name, "decision", "started: asked for by a route query", now);
    }
    if (begins) start_needed({&instance}, now);
}

// By a question, an operator, or what depends on it: for a while it is waited for.
void Supervisor::begin_demand(Instance& instance, Now now) {
    instance.demanded_at = now.steady;
    watch_idle(instance, now.steady);
}

// It is looked at when it may have been idle for too long, had nobody asked after `when`; max(): never.
void Supervisor::watch_idle(Instance& instance, TimePoint when) {
    if (instance.idle_at != TimePoint::max()) idle_.erase({instance.idle_at, instance.id});
    instance.idle_at = TimePoint::max();
    const Policy& policy = instance.spec->policy;
    const bool runs = std::any_of(instance.members.begin(), instance.members.end(),
                                  [](const auto& each) { return each->replica.wanted == Wanted::Running; });
    if (when == TimePoint::max() || !policy.on_demand || policy.idle_timeout == Duration::zero() || !runs)
        return;
    instance.asked_at = std::max(instance.asked_at, when);
    instance.idle_at = instance.asked_at + policy.idle_timeout;
    idle_.emplace(instance.idle_at, instance.id);
}

void Supervisor::stop_idle(Now now) {
    while (!idle_.empty() && idle_.begin()->first <= now.steady) {
        Instance* instance = roster_.find(idle_.begin()->second);
        idle_.erase(idle_.begin());
        instance->idle_at = TimePoint::max();
        stop_if_idle(*instance, now);
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
    // Who asked for it still waits for it to come up.
    const bool awaited = now.steady < instance.demanded_at + policy.health.startup_timeout &&
                         std::none_of(
                             instance.members.begin(), instance.members.end(),
                             [](const auto& member) { return member->routed != 0; });
    if (needed || awaited) return watch_idle(instance, now.steady);
    if (instance.asked_at + policy.idle_timeout > now.steady) return watch_idle(instance, instance.asked_at);
    for (const auto& member : instance.members) {
        if (member->replica.wanted != Wanted::Running) continue;
        stop_replica(*member, "idle: no route query for " + format_duration(policy.idle_timeout), false, now);
    }
}

}  // namespace pmctl
