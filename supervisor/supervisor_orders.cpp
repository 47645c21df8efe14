// What is asked of the Supervisor from outside: a new configuration, and the orders of an operator.
#include <algorithm>
#include <utility>

#include "supervisor/supervisor.hpp"
#include "supervisor/targets.hpp"

namespace pmctl {

// `only`: all others keep still.
std::map<std::string, Actual> Supervisor::actual(const Targets& only) const {
    std::map<std::string, Actual> found;
    for (const auto& [id, instance] : roster_.instances()) {
        Actual& entry = found[id];
        entry.spec = instance.spec;
        entry.replicas = 0;
        for (const auto& member : instance.members) {
            const Replica& replica = member->replica;
            if (replica.leaving) continue;
            ++entry.replicas;
            if (replica.wanted == Wanted::Running || left_alone_.contains(member.get())) continue;
            if (is_stopped_by_operator(*member)) {
                entry.stopped.insert(replica.number);
            } else if (concerns(roster_.instances(), only, *member)) {
                entry.quiet.insert(replica.number);
            }
        }
    }
    return found;
}

std::vector<PlanEntry> Supervisor::plan(const Config& config) const {
    return plan_of(merged(config), {}, {});
}

// What the admin service may want goes on until it has answered, whatever is reloaded before that.
std::vector<PlanEntry> Supervisor::plan_of(const Config& config,
                                           const std::map<std::string, std::uint32_t>& scales,
                                           const Targets& only) const {
    std::vector<PlanEntry> plan = reconcile(config, actual(only), scales);
    if (config.admin && !has_admin_answer()) {
        std::erase_if(plan, [this](const PlanEntry& entry) {
            return entry.action == PlanAction::Stop && undecided_.contains({entry.id, entry.number});
        });
    }
    return plan;
}

std::vector<PlanEntry> Supervisor::apply(Config config, Now now, bool partial) {
    const bool is_first = !applied_;
    const TimePoint begun = effects_.clock();
    auto plan = apply_files(std::move(config), now, partial);
    // The turn is over: what was to be started has been. The first start is no change.
    if (!is_first) mark("", MarkKind::Applied, now, effects_.clock() - begun);
    return plan;
}

std::vector<PlanEntry> Supervisor::apply_files(Config config, Now now, bool partial) {
    const Turn turn(*this, now);
    const auto scales = std::exchange(inherited_scales_, {});
    if (applied_) {
        effects_.store({.kind = StoreWrite::Kind::ClearScales});
        if (!partial) only_ = {};
    } else {
        started_with_ = config.supervisor;
        http_started_with_ = config.http;
    }
    const auto before = std::exchange(files_, std::move(config)).admin;
    configure_admin(before, now);
    auto plan = converge(merged(files_), scales, now);
    tell_omissions(now);
    return plan;
}

// Makes this configuration the wanted state, whoever changed it.
std::vector<PlanEntry> Supervisor::converge(Config config, const std::map<std::string, std::uint32_t>& scales,
                                            Now now) {
    std::vector<PlanEntry> plan = plan_of(config, scales, only_);
    // First the whole structure, so that a gate finds what it asks for; then what follows from it.
    for (const SpecPtr& spec : config.instances) {
        Instance& instance = roster_.add_instance(spec);
        instance.scale.reset();
        if (const auto scale = scales.find(spec->id); scale != scales.end()) instance.scale = scale->second;
    }
    const bool other_range = ports_.range() != config.ports;
    ports_.set_range(config.ports);
    config_ = std::move(config);
    // It may have been named since the start, and no child is to see it.
    if (config_.admin && environment_.erase(config_.admin->secret_env) > 0)
        environment_list_ = environment_list(environment_);
    tell_missing_limits(now);
    promise_ports();
    roster_.link_dependents();
    configure_routes(now);
    for (const PlanEntry& entry : plan) place(entry);
    if (!applied_) adopt_runs(now);
    for (auto& [id, instance] : roster_.instances()) roster_.rename_members(instance);
    for (const PlanEntry& entry : plan) {
        Instance* instance = entry.action == PlanAction::Stop ? roster_.find(entry.id) : nullptr;
        if (instance != nullptr) together_.insert(roster_.find_member(*instance, entry.number));
    }
    // The instance that is the admin service comes before those that it may have news of.
    const std::string first = config_.admin ? config_.admin->instance : "";
    const auto is_first = [&first](const PlanEntry& entry) { return !first.empty() && entry.id == first; };
    for (const bool of_first : {true, false}) {
        for (const PlanEntry& entry : plan) {
            if (is_first(entry) == of_first) carry_out(entry, now);
        }
    }
    together_.clear();
    std::vector<Instance*> all;
    all.reserve(roster_.instances().size());
    for (auto& [id, instance] : roster_.instances()) all.push_back(&instance);
    start_needed(std::move(all), now);
    if (!applied_) settle_ended(now);
    part_with_unwanted(now);
    // depends_on may have changed, and whom a stop waits for.
    for (auto& [id, instance] : roster_.instances()) {
        for (const auto& member : instance.members) hold_anew(*member, now);
    }
    if (other_range) ports_for_others_ += without_port_.size();
    forget_strangers();
    applied_ = true;
    return plan;
}

// Once for what is asked for and not to be had, not at each reload again.
void Supervisor::tell_missing_limits(Now now) {
    const std::string missing = limits_missing(config_.instances, effects_.group_limits());
    if (std::exchange(told_missing_limits_, missing) != missing && !missing.empty())
        note("", "supervisor", missing, now);
}

// Instances of which nothing is left: those that had no replica, and those that went from the configuration
// while there was no supervisor, of which an operator's word remains.
void Supervisor::forget_strangers() {
    std::set<std::string> strangers;
    for (const auto& [id, instance] : roster_.instances()) {
        if (instance.members.empty() && !is_configured(id)) strangers.insert(id);
    }
    for (const auto& [key, wanted] : intentions_) {
        if (roster_.find(key.first) == nullptr) strangers.insert(key.first);
    }
    for (const std::string& id : strangers) forget_instance(id);
}

// The replica that an entry is about is there, if only to be started by it.
void Supervisor::place(const PlanEntry& entry) {
    Instance* instance = roster_.find(entry.id);
    if (instance == nullptr || roster_.find_member(*instance, entry.number) != nullptr) return;
    if (!is_configured(entry.id) || entry.number >= instance->replicas()) return;
    Member& member = roster_.add_member(*instance, entry.number);
    effects_.set_log_settings(member.log_name, instance->spec->policy.log);
}

void Supervisor::carry_out(const PlanEntry& entry, Now now) {
    Instance* instance = roster_.find(entry.id);
    Member* member = instance == nullptr ? nullptr : roster_.find_member(*instance, entry.number);
    if (member == nullptr) return;
    Replica& replica = member->replica;
    const bool wanted_at_all = is_configured(entry.id) && entry.number < instance->replicas();
    if (!wanted_at_all) return remove_replica(*member, entry.reason, now);

    const bool logs_changed = replica.spec->policy.log != instance->spec->policy.log;
    if (logs_changed) effects_.set_log_settings(member->log_name, instance->spec->policy.log);
    const bool was_leaving = std::exchange(replica.leaving, false);
    const bool was_quiet =
        member->told && replica.wanted == Wanted::Stopped && !is_stopped_by_operator(*member);
    const std::string quiet_before = quiet_by_itself(*replica.spec);
    if (entry.action != PlanAction::Keep) roster_.touch(*member);
    know_spec(*member, *instance->spec);
    handle(*member, NewSpec{instance->spec, false, {}}, now);
    if (entry.action == PlanAction::Stop) {
        stop_replica(*member, entry.reason, false, now);
    } else if (entry.action == PlanAction::Start || was_leaving || !member->told) {
        want_at_first(*member, now);
    } else if (was_quiet && quiet_by_itself(*instance->spec) != quiet_before) {
        stop_replica(*member, why_quiet(*member), false, now);  // as before, for another reason
    }
    // Also one whose stop was called off above, and which runs what was configured earlier.
    const bool rests = entry.action == PlanAction::Replace && !has_live_run(replica);
    const bool replace = rests || runs_old_spec(replica);
    if (replace && replica.wanted == Wanted::Running)
        handle(*member, NewSpec{instance->spec, true, drain_of(*member, now)}, now);
    // depends_on may have changed: what waited for something may not need to any longer.
    if (replica.rest == Rest::Blocked && !has_live_run(replica)) handle(*member, MayStart{}, now);
}

void Supervisor::remove_replica(Member& member, const std::string& reason, Now now) {
    member.replica.leaving = true;
    changed_.push_back(&member);  // what waited for it waits for the others alone
    stop_replica(member, reason, false, now);
}

void Supervisor::forget(Member& member) {
    const std::string id = member.instance->id;
    const auto intention = intentions_.find({id, member.replica.number});
    routes_.set_upstream(id, member.replica.number, std::nullopt);
    effects_.close_logs(member.log_name);
    wait_no_longer(member);
    trying_.erase(&member);
    draining_.erase(&member);
    left_alone_.erase(&member);
    if (is_configured(id)) {
        // Scaled down: should it come again, then as the configuration says.
        if (intention != intentions_.end()) remember_intention(member, Wanted::Running);
        return roster_.remove(member);
    }
    roster_.remove(member);
    if (roster_.find(id)->members.empty()) forget_instance(id);
}

void Supervisor::forget_instance(const std::string& id) {
    intentions_.erase(intentions_.lower_bound({id, 0}), intentions_.upper_bound({id, max_replicas}));
    effects_.store({.kind = StoreWrite::Kind::ForgetInstance, .intention = {.instance = id}});
    if (Instance* instance = roster_.find(id)) {
        watch_idle(*instance, TimePoint::max());
        std::erase(to_update_, instance);
        roster_.remove_instance(id);
    }
}

bool Supervisor::is_configured(const std::string& id) const {
    const auto place =
        std::lower_bound(config_.instances.begin(), config_.instances.end(), id,
                         [](const SpecPtr& spec, const std::string& name) { return spec->id < name; });
    return place != config_.instances.end() && (*place)->id == id;
}

void Supervisor::start(const std::vector<Member*>& members, Now now) {
    const Turn turn(*this, now);
    for (Member* member : members) {
        left_alone_.erase(member);
        if (has_live_run(member->replica)) restarting_.erase(member->replica.run->number);
        remember_intention(*member, Wanted::Running);
        handle(*member, StartOrder{"started by an operator"}, now);
    }
}

void Supervisor::stop(const std::vector<Member*>& members, Now now) {
    const Turn turn(*this, now);
    together_.insert(members.begin(), members.end());
    for (Member* member : members) {
        remember_intention(*member, Wanted::Stopped);
        stop_replica(*member, "stopped by an operator", false, now);
    }
    together_.clear();
}

void Supervisor::restart(const std::vector<Member*>& members, bool rolling, Now now) {
    const Turn turn(*this, now);
    if (!rolling) {
        for (const Member* member : members) {
            if (has_live_run(member->replica)) restarting_.insert(member->replica.run->number);
        }
    }
    for (Member* member : members) {
        left_alone_.erase(member);
        remember_intention(*member, Wanted::Running);
        if (rolling) {
            handle(*member, RestartOrder{rolling, drain_of(*member, now), ""}, now);
        } else {
            restart_replica(*member, now);
        }
    }
}

void Supervisor::reset(Member& member, Now now) {
    const Turn turn(*this, now);
    handle(member, ResetOrder{}, now);
}

void Supervisor::signal(Member& member, int number, Now now) {
    const Turn turn(*this, now);
    effects_.signal(member.replica.run->number, number);
    note(member.name, "command", "sent " + signal_name(number) + " as an operator asked", now);
}

void Supervisor::scale(Instance& instance, std::uint32_t replicas, Now now) {
    const Turn turn(*this, now);
    instance.scale = replicas;
    effects_.store(
        {.kind = StoreWrite::Kind::SetScale, .intention = {.instance = instance.id}, .number = replicas});
    for (std::uint32_t number = 0; number < replicas; ++number) {
        Member* member = roster_.find_member(instance, number);
        const bool is_new = member == nullptr || std::exchange(member->replica.leaving, false);
        if (member == nullptr) member = &roster_.add_member(instance, number);
        if (!is_new) continue;
        effects_.set_log_settings(member->log_name, instance.spec->policy.log);
        want_at_first(*member, now);
    }
    start_needed({&instance}, now);
    roster_.rename_members(instance);
    for (Member* member : roster_.members_from(instance, replicas)) {
        remove_replica(*member, "scaled to " + std::to_string(replicas), now);
    }
}

void Supervisor::finish(bool at_once, const std::string& reason, Now now) {
    const Turn turn(*this, now);
    if (!finishing_) note("", "supervisor", reason, now);
    if (admin_ && admin_->store_at != TimePoint::max()) store_admin();
    if (!finishing_) effects_.store({.kind = StoreWrite::Kind::ClearRests});
    finishing_ = true;
    std::vector<Member*> all;
    for (auto& [id, instance] : roster_.instances()) {
        for (const auto& member : instance.members) all.push_back(member.get());
    }
    together_.insert(all.begin(), all.end());
    for (Member* member : all) {
        stop_replica(*member, "the supervisor stops", at_once, now);
    }
    together_.clear();
}

}  // namespace pmctl
