// Going on where an earlier supervisor was killed: whose its runs are, which of them serve, and what follows
// the end of those that have ended meanwhile.
#include <algorithm>
#include <map>
#include <utility>

#include "supervisor/core/spec_fingerprint.hpp"
#include "supervisor/supervisor.hpp"

namespace pmctl {

namespace {

// "web" → number 0, "web:1" → 1: a log name says whose it is.
std::pair<std::string, std::uint32_t> owner_of(const FoundRun& found) {
    const RunRecord& record = found.record;
    if (found.is_stored || record.log_name.empty()) return {record.instance, record.replica};
    const auto colon = record.log_name.rfind(':');
    const std::string number = colon == std::string::npos ? "" : record.log_name.substr(colon + 1);
    const bool is_number =
        !number.empty() && number.size() <= 9 && number.find_first_not_of("0123456789") == std::string::npos;
    if (!is_number) return {record.log_name, 0};
    return {record.log_name.substr(0, colon), static_cast<std::uint32_t>(std::stoul(number))};
}

// An instance that is configured no longer, or not yet known again: enough to look after its run until it
// goes.
SpecPtr stranger(const std::string& id) {
    InstanceSpec spec;
    spec.id = id;
    spec.policy.health.kind = HealthKind::None;
    return std::make_shared<const InstanceSpec>(std::move(spec));
}

bool is_alive(const FoundRun* found) {
    return found->state == FoundRun::State::Alive;
}

// The current one first, the newest of its kind before the others; then what was about to take its place.
bool comes_before(const FoundRun* a, const FoundRun* b) {
    const auto rank = [](const FoundRun* each) {
        const int role = each->is_stored ? static_cast<int>(each->record.role) * 2 : 1;
        return std::pair(role, ~each->record.run);
    };
    return rank(a) < rank(b);
}

}  // namespace

// Of one for which nothing is configured, too.
Member& Supervisor::member_of(const FoundRun& found) {
    auto [id, number] = owner_of(found);
    Instance* instance = roster_.find(id);
    // An id may end as a replica's name does.
    if (instance == nullptr && !found.is_stored && roster_.find(found.record.log_name) != nullptr) {
        instance = roster_.find(found.record.log_name);
        number = 0;
    }
    if (instance == nullptr) instance = &roster_.add_instance(stranger(id));
    if (Member* member = roster_.find_member(*instance, number)) return *member;
    Member& member = roster_.add_member(*instance, number);
    effects_.set_log_settings(member.log_name, instance->spec->policy.log);
    return member;
}

// Before anything is started or stopped.
void Supervisor::adopt_runs(Now now) {
    std::map<Member*, std::vector<const FoundRun*>, MadeBefore> of;
    for (const FoundRun& each : found_runs_) of[&member_of(each)].push_back(&each);
    for (auto& [member, found] : of) {
        std::sort(found.begin(), found.end(), comes_before);
        adopt_those(*member, found, now);
        const bool configured =
            is_configured(member->instance->id) && member->replica.number < member->instance->replicas();
        if (configured) continue;
        // What the admin service wants may not be known yet: what it may want goes on until then.
        if (admin_ && !has_admin_answer()) {
            undecided_.emplace(member->instance->id, member->replica.number);
            handle(*member, StartOrder{}, now);
        } else {
            remove_replica(*member, "no longer configured", now);
        }
    }
}

// What may have been the admin service's, and is not: once it has answered, or there is none any longer.
void Supervisor::part_with_unwanted(Now now) {
    if (undecided_.empty() || (admin_ && !has_admin_answer())) return;
    undecided_.clear();
    std::vector<Member*> unwanted;
    for (const auto& [id, instance] : roster_.instances()) {
        for (const auto& member : instance.members) {
            const bool wanted = is_configured(id) && member->replica.number < instance.replicas();
            if (!wanted && !member->replica.leaving) unwanted.push_back(member.get());
        }
    }
    for (Member* member : unwanted) remove_replica(*member, "no longer configured", now);
}

void Supervisor::adopt_those(Member& member, const std::vector<const FoundRun*>& found, Now now) {
    bool has_current = false;
    for (const FoundRun* each : found) {
        if (!is_alive(each)) continue;
        const bool is_wanted = each->record.fingerprint == spec_fingerprint(member.replica.spec->process);
        const RunRole was = each->is_stored ? each->record.role : RunRole::Current;
        RunRole role = has_current || was == RunRole::Outgoing ? RunRole::Outgoing : RunRole::Current;
        if (has_current && was == RunRole::Candidate && is_wanted && !member.replica.candidate)
            role = RunRole::Candidate;
        if (!adopt(member, *each, role, now)) return;
        has_current = has_current || role == RunRole::Current;
    }
    for (const FoundRun* each : found) {
        if (is_alive(each)) continue;
        if (each->state == FoundRun::State::Unclear) {
            leave_alone(member, each->record, each->note, now);
            continue;
        }
        effects_.collect_logs(member.log_name);
        effects_.store({.kind = StoreWrite::Kind::RunEnded, .run = {.run = each->record.run}});
        const bool counts = each->record.role == RunRole::Current && !each->of_earlier_boot && !has_current;
        if (counts && is_configured(member.instance->id)) ended_runs_.emplace_back(&member, each);
        has_current = has_current || counts;
    }
}

// It may run and cannot be looked after: it is never signalled, and nothing is started beside it.
void Supervisor::leave_alone(Member& member, const RunRecord& record, const std::string& why, Now now) {
    const std::string text =
        "pid " + std::to_string(record.pid) + " of an earlier supervisor may still run: " + why;
    note(member.name, "state", text, now);
    left_alone_.insert(&member);
    handle(member, StopReplica{text, "", false, {}}, now);
}

// False: it was left alone.
bool Supervisor::adopt(Member& member, const FoundRun& found, RunRole role, Now now) {
    const RunRecord& record = found.record;
    if (const auto adopted = effects_.adopt(record.run); !adopted) {
        leave_alone(member, record, adopted.error().message, now);
        return false;
    }
    Place place{record.port, record.listening};
    if (record.port != 0 && !ports_.reserve(record.port, member.log_name)) place = {};
    const InstanceSpec& spec = *member.replica.spec;
    const bool same = record.fingerprint == spec_fingerprint(spec.process);
    switch (role) {
        case RunRole::Current:
            member.place = place;
            member.fingerprint = same ? "" : record.fingerprint;
            break;
        case RunRole::Candidate:
            member.candidate_place = place;
            trying_.insert(&member);
            break;
        case RunRole::Outgoing: member.outgoing_places[record.run] = place; break;
    }
    live_.insert(record.run);
    roster_.set_run(member, record.run);
    Run run =
        adopt_run(record.run, record.pid, place.port, found.age, record.was_healthy, now, spec.policy.health);
    if (record.started_at != WallTime{}) run.started_at = record.started_at;
    const Adopted event{run, role, same ? member.replica.spec : nullptr, record.restarts, record.failures};
    const Actions actions = step(member.replica, event, now, effects_.random());
    if (found.is_stored) {
        record_run(member, record.run, role);
    } else {
        RunRecord whole = record;
        whole.instance = member.instance->id;
        whole.replica = member.replica.number;
        whole.role = role;
        effects_.store({.kind = StoreWrite::Kind::RunStarted, .run = std::move(whole)});
    }
    note(member.name, "state",
         "found running: pid " + std::to_string(record.pid) +
             (record.port == 0 ? "" : ", port " + std::to_string(record.port)) + ", for " +
             describe_duration(found.age),
         now);
    roster_.touch(member);
    changed_.push_back(&member);
    roster_.schedule(member, next_deadline(member.replica));
    carry_out(member, actions, now);
    return true;
}

// What ended while nobody looked is followed by what its policy says, if it is wanted at all.
void Supervisor::settle_ended(Now now) {
    for (const auto& [member, found] : std::exchange(ended_runs_, {})) {
        Replica& replica = member->replica;
        if (replica.wanted != Wanted::Running || has_live_run(replica)) continue;
        const RunRecord& record = found->record;
        const Run run =
            adopt_run(record.run, record.pid, 0, {}, record.was_healthy, now, replica.spec->policy.health);
        step(replica, Adopted{run, RunRole::Current, replica.spec, record.restarts, record.failures}, now, 0);
        handle(*member, Exited{found->status, found->note, false, record.run}, now);
    }
    found_runs_.clear();
    rests_.clear();
}

// A rest that lasts has begun: what a later supervisor is to go on with.
void Supervisor::record_rest(const Member& member, Now now) {
    const Replica& replica = member.replica;
    const bool lasts =
        replica.rest == Rest::AtRest || (replica.rest == Rest::Waiting && replica.next_start > now.steady);
    if (finishing_ || has_live_run(replica) || replica.wanted == Wanted::Stopped || !lasts) return;
    auto record = std::make_shared<RestRecord>();
    record->instance = member.instance->id;
    record->replica = replica.number;
    record->rest = replica.rest;
    record->phase = replica.rest_phase;
    record->reason = replica.rest_reason;
    record->next_start_at = replica.next_start_at;
    record->failures = replica.failures;
    record->restarts = replica.restarts;
    if (replica.run && replica.run->exit && replica.run->exit->kind == ExitStatus::Kind::Code)
        record->exit_code = replica.run->exit->value;
    record->fingerprint = spec_fingerprint(replica.spec->process);
    record->port = member.place.port;
    record->listening = member.place.listening;
    effects_.store({.kind = StoreWrite::Kind::SetRest, .rest = std::move(record)});
}

// False: there is nothing that it could go on with.
bool Supervisor::resume_rest(Member& member, Now now) {
    const auto found = rests_.find({member.instance->id, member.replica.number});
    if (found == rests_.end() || has_live_run(member.replica)) return false;
    const RestRecord rest = std::move(found->second);
    rests_.erase(found);
    if (rest.fingerprint != spec_fingerprint(member.replica.spec->process)) return false;
    if (rest.port != 0 && rest.rest == Rest::Waiting && ports_.reserve(rest.port, member.log_name)) {
        member.place = {rest.port, rest.listening};
        if (rest.listening) effects_.keep_listener(rest.port);
    }
    const RestartSettings& settings = member.replica.spec->policy.restart;
    // Under another policy than it came to rest by.
    const bool stays = rest.phase == Phase::Failed ? settings.mode == RestartMode::Never
                                                   : settings.mode != RestartMode::Always;
    if (rest.rest == Rest::AtRest && !stays) return false;
    const bool given_up = rest.failures > 0 && settings.mode == RestartMode::Never;
    // The clock may have been set back: no longer than its policy ever waits.
    const Duration until = std::clamp<Duration>(rest.next_start_at - now.wall, Duration::zero(),
                                                std::max(settings.backoff_max, settings.circuit_cooldown));
    handle(member,
           Rested{given_up ? Rest::AtRest : rest.rest, rest.phase, rest.reason, until, rest.failures,
                  rest.restarts, rest.exit_code},
           now);
    return true;
}

bool Supervisor::is_taking_over() const {
    for (const auto& [id, instance] : roster_.instances()) {
        for (const auto& member : instance.members) {
            const auto& run = member->replica.run;
            if (run && run->phase == Phase::Starting && run->was_healthy) return true;
        }
    }
    return false;
}

// A run whose specification was not known may be of this one.
void Supervisor::know_spec(Member& member, const InstanceSpec& spec) {
    Replica& replica = member.replica;
    if (!has_live_run(replica) || replica.run_spec || member.fingerprint.empty()) return;
    if (member.fingerprint == spec_fingerprint(spec.process)) replica.run_spec = member.instance->spec;
}

// What a later supervisor is to know of it.
void Supervisor::record_run(const Member& member, RunNumber run, RunRole role) {
    const Replica& replica = member.replica;
    const Run* live = find_run(replica, run);
    RunRecord record;
    record.run = run;
    record.role = role;
    record.restarts = replica.restarts;
    record.failures = replica.failures;
    record.was_healthy = live != nullptr && live->was_healthy;
    effects_.store({.kind = StoreWrite::Kind::RunChanged, .run = std::move(record)});
}

}  // namespace pmctl
