// Rolling updates over all replicas: whose turn it is, which port goes with which run, and what is told of
// it.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "supervisor/supervisor.hpp"

namespace pmctl {

namespace {

bool is_same(const SpecPtr& a, const SpecPtr& b) {
    return a == b || (a && b && a->process == b->process);
}

std::string process_in_words(const Run& run) {
    return "pid " + std::to_string(run.pid) + ", port " + std::to_string(run.port);
}

}  // namespace

Supervisor::Runs Supervisor::runs_of(const Replica& replica) {
    return {replica.run ? replica.run->number : 0, replica.candidate ? replica.candidate->number : 0,
            replica.update.stage, replica.outgoing.size()};
}

void Supervisor::follow_update(Member& member, const Runs& before, Now now) {
    move_places(member, before, now);
    record_roles(member, before);
    tell_update(member, before, now);
    if (member.replica.update.stage == UpdateStage::Trying) {
        trying_.insert(&member);
    } else if (trying_.erase(&member) != 0) {
        if (member.replica.update.stage == UpdateStage::Failed) call_off_others(member, now);
        want_turn(*member.instance);  // the next one's
    }
}

void Supervisor::record_roles(const Member& member, const Runs& before) {
    const Replica& replica = member.replica;
    if (before.candidate != 0 && replica.run && replica.run->number == before.candidate)
        record_run(member, before.candidate, RunRole::Current);
    if (replica.outgoing.size() > before.outgoing)
        record_run(member, replica.outgoing.back().number, RunRole::Outgoing);
}

// What failed here is not tried with the other replicas.
void Supervisor::call_off_others(const Member& member, Now now) {
    for (const auto& each : member.instance->members) {
        const Update& update = each->replica.update;
        if (update.stage == UpdateStage::Waiting && is_same(update.spec, member.replica.update.spec))
            handle(*each, UpdateCalledOff{"'" + member.name + "' could not be updated"}, now);
    }
}

// The ports go with their runs.
void Supervisor::move_places(Member& member, const Runs& before, Now now) {
    const Replica& replica = member.replica;
    const auto is_outgoing = [&](RunNumber run) {
        return run != 0 && std::any_of(replica.outgoing.begin(), replica.outgoing.end(),
                                       [&](const Run& each) { return each.number == run; });
    };
    if (before.candidate != 0 && replica.run && replica.run->number == before.candidate) {
        if (is_outgoing(before.current)) {
            member.outgoing_places[before.current] = std::exchange(member.place, {});
        } else {
            release_port(member, member.place, now);
        }
        member.place = std::exchange(member.candidate_place, {});
    } else if (is_outgoing(before.candidate)) {
        member.outgoing_places[before.candidate] = std::exchange(member.candidate_place, {});
    }
}

void Supervisor::tell_update(Member& member, const Runs& before, Now now) {
    const Replica& replica = member.replica;
    const auto tell = [&](const std::string& text, bool bad) {
        spdlog::log(bad ? spdlog::level::warn : spdlog::level::info, "'{}': {}", member.name, text);
        remember(member, "update", text, now);
    };
    if (replica.candidate && replica.candidate->number != before.candidate)
        tell("update: the new process starts (" + process_in_words(*replica.candidate) + ")", false);
    if (before.candidate != 0 && replica.run && replica.run->number == before.candidate) {
        ++totals_.updates_done;
        mark(member.log_name, MarkKind::Updated, now);
        const std::string old = before.outgoing < replica.outgoing.size()
                                    ? "; the old one (" + process_in_words(replica.outgoing.back()) + ") goes"
                                    : "";
        tell("updated: the new process (" + process_in_words(*replica.run) + ") is healthy after " +
                 describe_duration(now.steady - replica.run->started) + " and serves" + old,
             false);
    }
    if (replica.update.stage == UpdateStage::Failed && before.stage != UpdateStage::Failed) {
        ++totals_.updates_failed;
        mark(member.log_name, MarkKind::UpdateFailed, now);
        tell("update failed: " + replica.update.reason +
                 (has_live_run(replica) ? "; pid " + std::to_string(replica.run->pid) + " stays" : ""),
             true);
    }
}

bool Supervisor::may_try() const {
    return trying_.size() < config_.supervisor.max_starting;
}

void Supervisor::want_turn(Instance& instance) {
    if (!std::exchange(instance.wants_turn, true)) to_update_.push_back(&instance);
}

void Supervisor::give_turns(Now now) {
    while (!to_update_.empty() && may_try()) {
        Instance& instance = *to_update_.front();
        to_update_.pop_front();
        instance.wants_turn = false;
        next_turn(instance, now);
    }
}

// One replica at a time, and the next one only when what the last one got is healthy.
void Supervisor::next_turn(Instance& instance, Now now) {
    Member* next = nullptr;
    for (const auto& each : instance.members) {
        const UpdateStage stage = each->replica.update.stage;
        if (stage == UpdateStage::Trying) return;
        const bool is_first = next == nullptr || each->replica.number < next->replica.number;
        if (stage == UpdateStage::Waiting && is_first) next = each.get();
    }
    if (next == nullptr) return;
    if (const std::string gate = update_gate_of(*next); !gate.empty()) {
        handle(*next, UpdateHeld{"waits for " + gate}, now);
    } else {
        handle(*next, UpdateTurn{}, now);
    }
}

std::string Supervisor::update_gate_of(const Member& member) const {
    for (const auto& each : member.instance->members) {
        const Replica& other = each->replica;
        const bool has_it = each.get() != &member && !other.leaving && other.wanted == Wanted::Running &&
                            other.update.stage == UpdateStage::None && is_same(other.run_spec, other.spec) &&
                            is_same(other.spec, member.replica.update.spec);
        if (has_it && phase_of(other) != Phase::Running && !completed(other))
            return "'" + each->name + "' to be healthy";
    }
    return gate_of(member);
}

}  // namespace pmctl
