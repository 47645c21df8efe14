#include "supervisor/supervisor.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "supervisor/core/launch.hpp"

namespace pmctl {

namespace {

// What a status row shows and an event may change.
struct Shown {
    Phase phase;
    Rest rest;
    Wanted wanted;
    RunNumber run;
    std::uint64_t restarts;
    std::uint32_t failures;
    bool ok;
    StopStage stop_stage;
    bool was_healthy;
    std::uint32_t streak;  // of a run that was healthy once
    TimePoint next_start;
    std::string error;
    std::string wanted_reason;
    std::string rest_reason;
    std::string held_by;
    UpdateStage update;
    RunNumber candidate;
    std::size_t outgoing;
    std::string update_reason;

    bool operator==(const Shown&) const = default;
};

Shown shown(const Replica& replica) {
    const bool checked = replica.run && replica.run->last_check;
    std::uint32_t streak = 0;
    if (checked && replica.run->phase == Phase::Running) streak = replica.run->streak.bad;
    if (checked && replica.run->phase == Phase::Unhealthy)
        streak = replica.run->streak.bad + replica.run->streak.good;  // one of them is 0
    return {phase_of(replica),
            replica.rest,
            replica.wanted,
            replica.run ? replica.run->number : 0,
            replica.restarts,
            replica.failures,
            checked && replica.run->last_check->result.ok,
            replica.run ? replica.run->stop_stage : StopStage::Told,
            replica.run && replica.run->was_healthy,
            streak,
            replica.next_start,
            checked ? replica.run->last_check->result.error : "",
            replica.wanted_reason,
            replica.rest_reason,
            replica.held_by,
            replica.update.stage,
            replica.candidate ? replica.candidate->number : 0,
            replica.outgoing.size(),
            update_in_words(replica)};
}

bool waits_for_turn(const Instance& instance) {
    return std::any_of(instance.members.begin(), instance.members.end(),
                       [](const auto& each) { return each->replica.update.stage == UpdateStage::Waiting; });
}

}  // namespace

Supervisor::Supervisor(Effects& effects, Environment environment, Inheritance inheritance)
    : effects_(effects),
      environment_(std::move(environment)),
      environment_list_(environment_list(environment_)),
      ports_(PortRange{}),
      journal_(std::move(inheritance.events), inheritance.next_event),
      inherited_scales_(std::move(inheritance.scales)),
      inherited_admin_(std::move(inheritance.admin)),
      only_{std::move(inheritance.only), false},
      found_runs_(std::move(inheritance.runs)),
      next_run_(inheritance.next_run),
      promised_runs_(inheritance.next_run) {
    for (RestRecord& each : inheritance.rests) {
        std::pair key{each.instance, each.replica};
        rests_.emplace(std::move(key), std::move(each));
    }
    for (const Intention& each : inheritance.intentions)
        intentions_[{each.instance, each.replica}] = each.wanted;
}

void Supervisor::exited(RunNumber run, const ExitStatus& status, const std::string& note, Now now) {
    Member* member = roster_.find_run(run);
    if (member == nullptr) return;
    const Turn turn(*this, now);
    const Replica& replica = member->replica;
    const Run* ended = find_run(replica, run);
    Exited event{status, note, false, run};
    effects_.clean_up(run);
    // A child that dies before it was ever healthy may have found its port taken: the bind test at the start
    // and the child's own bind are two moments.
    const bool fresh = ended != nullptr && !ended->was_healthy && !ended->stop_cause && ended->port != 0;
    const bool is_candidate = replica.candidate && replica.candidate->number == run;
    const SpecPtr& own = is_candidate ? replica.update.spec : replica.run_spec;
    const ProcessSpec& process = (own ? own : replica.spec)->process;
    if (fresh && !process.socket_activation && effects_.port_state(ended->port) == PortState::Taken) {
        const std::string holder = effects_.port_holder(ended->port);
        event.note += (event.note.empty() ? "" : "; ");
        event.note += "port " + std::to_string(ended->port) + " is held by " +
                      (holder.empty() ? "another process" : holder);
        event.port_stolen = process.port.kind == PortWish::Kind::Auto;
    }
    handle(*member, event, now);
}

void Supervisor::exited(const std::vector<EndedRun>& ends, Now now) {
    const Turn turn(*this, now);
    for (const EndedRun& each : ends) exited(each.run, each.status, each.note, now);
}

void Supervisor::checked(RunNumber run, const CheckResult& result, Now now) {
    Member* member = roster_.find_run(run);
    if (member == nullptr) return;
    const Turn turn(*this, now);
    handle(*member, Checked{result, run}, now);
}

void Supervisor::woke(Now now) {
    const Turn turn(*this, now);
    while (Member* member = roster_.take_due(now.steady)) handle(*member, Woke{}, now);
    stop_idle(now);
    if (verify_at_ <= now.steady) verify_released_ports(now);
    if (admin_ && next_deadline(*admin_) <= now.steady) step_admin(AdminWoke{}, now);
}

void Supervisor::note(const std::string& name, const std::string& kind, const std::string& text, Now now) {
    if (name.empty()) {
        spdlog::info("{}", text);
    } else {
        spdlog::info("'{}': {}", name, text);
    }
    effects_.store(
        {.kind = StoreWrite::Kind::AppendEvent, .event = journal_.add(now.wall, name, kind, text)});
    const Turn turn(*this, now);  // followers of the events are told
}

void Supervisor::handle(Member& member, const ReplicaEvent& event, Now now) {
    const Shown before = shown(member.replica);
    const Runs runs = runs_of(member.replica);
    const Actions actions = step(member.replica, event, now, effects_.random());
    mark(member,
         count_event(member.tally, totals_, member.replica, event, before.phase, before.restarts, now), now);
    if (runs_of(member.replica) != runs) follow_update(member, runs, now);
    const bool heals = member.replica.run && member.replica.run->was_healthy && !before.was_healthy;
    if (heals && has_live_run(member.replica))
        record_run(member, member.replica.run->number, RunRole::Current);
    if (const Shown after = shown(member.replica); after != before) {
        roster_.touch(member);
        const bool other_gate = after.rest == Rest::Blocked && after.rest_reason != before.rest_reason;
        const bool moved =
            after.phase != before.phase || after.run != before.run || after.rest != before.rest;
        const bool failed_again = after.phase == Phase::Failed && after.failures > before.failures;
        const bool other_hold = after.held_by.empty() != before.held_by.empty();
        if (moved || other_gate || other_hold || after.wanted != before.wanted) changed_.push_back(&member);
        // That another process serves now is told as an update.
        const bool took_over = before.candidate != 0 && after.run == before.candidate;
        if (took_over && after.phase == before.phase) {
            // nothing else has changed
        } else if (moved || other_gate || failed_again) {
            tell_change(member, before.phase, now);
        } else if (after.ok != before.ok && member.replica.run->was_healthy &&
                   member.replica.run->streak.bad <= 1) {
            // The first failed check, and the first good one after it: the rest of a streak is in the reason.
            remember(member, "check", after.ok ? "check good again" : "check failed: " + after.error, now);
        }
    }
    roster_.schedule(member, next_deadline(member.replica));
    carry_out(member, actions, now);
    if (actions.ended || std::holds_alternative<SpawnFailed>(event)) record_rest(member, now);
    // Its stop or restart was called off while it waited: it goes on, and holds up nobody else's.
    const Replica& replica = member.replica;
    const bool called_off = !before.held_by.empty() && replica.held_by.empty() && has_live_run(replica) &&
                            replica.run->phase != Phase::Stopping;
    if (called_off) {
        restarting_.erase(replica.run->number);
        release_holds(member, now);
    }
    if (before.wanted == Wanted::Stopped && member.replica.wanted == Wanted::Running) {
        release_holds(member, now);
        if (member.replica.spec->policy.on_demand) begin_demand(*member.instance, now);
    }
}

// The one line that each change of state gets.
void Supervisor::tell_change(Member& member, Phase before, Now now) {
    const Replica& replica = member.replica;
    const Phase after = phase_of(replica);
    const std::string reason = reason_of(replica, now);
    if (after == before && reason.empty()) return;
    std::string text = std::string(to_text(before)) + " → " + std::string(to_text(after));
    if (after == before) text = std::string(to_text(after));
    if (after == Phase::Starting) {
        text += " (pid " + std::to_string(replica.run->pid);
        if (replica.run->port != 0) text += ", port " + std::to_string(replica.run->port);
        text += ")";
    } else if (after == Phase::Running && before != Phase::Unhealthy) {
        text += " (pid " + std::to_string(replica.run->pid) + ", after " +
                describe_duration(now.steady - replica.run->started) + ")";
    } else if (!reason.empty()) {
        text += " (" + reason + ")";
    }
    const bool bad = after == Phase::Failed || after == Phase::Unhealthy;
    spdlog::log(bad ? spdlog::level::warn : spdlog::level::info, "'{}': {}", member.name, text);
    remember(member, "state", std::move(text), now);
}

void Supervisor::remember(const Member& member, const char* kind, std::string text, Now now) {
    const Event& event = journal_.add(now.wall, member.name, kind, std::move(text));
    effects_.store({.kind = StoreWrite::Kind::AppendEvent, .event = event});
}

// What is to be done with one of its runs.
void Supervisor::carry_out(Member& member, RunNumber run, const RunActions& actions, Now now) {
    if (actions.ended) {
        effects_.forget_checks(run);
        effects_.store({.kind = StoreWrite::Kind::RunEnded, .run = {.run = run}});
        roster_.forget_run(run);
        live_.erase(run);
        restarting_.erase(run);
        if (const auto place = member.outgoing_places.find(run); place != member.outgoing_places.end()) {
            release_port(member, place->second, now);
            member.outgoing_places.erase(place);
        }
    }
    if (actions.signal != 0) {
        effects_.forget_checks(run);
        effects_.stop(run, actions.signal);
    }
    const Run* live = find_run(member.replica, run);
    if (actions.check && live != nullptr) check_run(member, *live);
    if (live != nullptr && live->phase == Phase::Failed)
        live_.erase(run);  // KILL did not end it: nobody waits for it any longer
}

void Supervisor::carry_out(Member& member, const Actions& actions, Now now) {
    Replica& replica = member.replica;
    if (replica.run)
        carry_out(member, replica.run->number, {actions.signal, actions.check, actions.ended}, now);
    for (const RunOrder& each : actions.others) carry_out(member, each.run, each.actions, now);
    if (actions.another_port) release_port(member, member.place, now);
    if (actions.start) start_soon(member, Slot::Current);
    if (actions.start_candidate) start_soon(member, Slot::Candidate);
    if (actions.wants_turn) want_turn(*member.instance);
    if (!replica.candidate && !member.candidate_due) release_port(member, member.candidate_place, now);

    if (!has_live_run(replica) && (replica.wanted == Wanted::Stopped || replica.rest == Rest::AtRest)) {
        release_port(member, member.place, now);
    }
    const bool lacks_port = replica.rest == Rest::NoPort && !has_live_run(replica);
    if (!lacks_port && replica.update.stage != UpdateStage::Trying) wait_no_longer(member);
    const bool stays =
        replica.wanted == Wanted::Running && has_live_run(replica) && replica.run->phase != Phase::Failed;
    if (!stays && !may_end(replica)) release_holds(member, now);
    if (replica.leaving && !has_process(replica)) left_.push_back(&member);
}

void Supervisor::check_run(Member& member, const Run& run) {
    const Replica& replica = member.replica;
    const bool is_candidate = replica.candidate && replica.candidate->number == run.number;
    const InstanceSpec& spec = is_candidate ? *replica.spec : judged_by(replica);
    const HealthSettings& health = spec.policy.health;
    CheckRequest request;
    request.run = run.number;
    request.kind = health.kind;
    request.port = run.port;
    request.timeout = health.timeout;
    request.keep_alive = health.keep_alive;
    if (has_shared_socket(member, run)) request.answered_by = run.pid;
    const bool plain = health.kind != HealthKind::Exec && health.path.find('$') == std::string::npos;
    if (plain) {
        request.path = health.path;
    } else if (auto launch = launch_of(member, spec, run.port)) {
        request.path = launch->health_path;
        if (health.kind == HealthKind::Exec) {
            auto command = std::move(launch->health_command);
            request.exec = request_of(member, spec.process, std::move(*launch));
            request.exec->argv = std::move(command);
        }
    }
    effects_.check(request);
}

// What waits for `member` may start, or waits for something else now, or has another outlook.
void Supervisor::tell_dependents(Member& member, Now now) {
    for (const std::string& id : member.instance->dependents) {
        Instance* dependent = roster_.find(id);
        if (dependent == nullptr) continue;
        for (const auto& each : dependent->members) {
            const Replica& replica = each->replica;
            if (replica.update.stage == UpdateStage::Waiting) want_turn(*dependent);
            if (replica.rest != Rest::Blocked || has_live_run(replica) || each->start_due) continue;
            const std::string gate = gate_of(*each);
            if (gate.empty()) {
                handle(*each, MayStart{}, now);
            } else {
                handle(*each, Blocked{gate}, now);
                if (each->change < member.change) {
                    roster_.touch(*each);
                    changed_.push_back(each.get());
                }
            }
        }
    }
}

// Everything that follows from what happened in this turn.
void Supervisor::settle(Now now) {
    for (;;) {
        if (!to_start_.empty()) {
            start_some(now);
        } else if (!changed_.empty()) {
            Member* member = changed_.front();
            changed_.pop_front();
            tell_dependents(*member, now);
            if (waits_for_turn(*member->instance)) want_turn(*member->instance);
        } else if (!to_update_.empty() && may_try()) {
            give_turns(now);
        } else if (ports_for_others_ > 0 && !without_port_.empty()) {
            --ports_for_others_;
            Member* member = without_port_.begin()->second;
            wait_no_longer(*member);
            handle(*member, MayStart{}, now);
        } else {
            break;
        }
    }
    ports_for_others_ = 0;
}

void Supervisor::end_turn(Now now) {
    ++depth_;  // what follows belongs to this turn
    settle(now);
    follow_admin(now);
    std::vector<Member*> left = std::exchange(left_, {});
    std::sort(left.begin(), left.end());
    left.erase(std::unique(left.begin(), left.end()), left.end());
    for (Member* member : left) {
        if (member->replica.leaving && !has_process(member->replica)) forget(*member);
    }
    const bool all_stopped = finishing_ && live_.empty() && !finished_;
    finished_ = finished_ || all_stopped;
    if (all_stopped) note("", "supervisor", "every instance has stopped", now);
    if (all_stopped) end_watch(now);
    keep_watch(now);
    update_routes(now);
    end_drains(now);
    --depth_;
    const TimePoint admin = admin_ ? next_deadline(*admin_) : TimePoint::max();
    const TimePoint idle = idle_.empty() ? TimePoint::max() : idle_.begin()->first;
    effects_.wake_at(std::min({roster_.next_deadline(), verify_at_, admin, idle}));
    effects_.publish(roster_.generation());
    if (all_stopped) effects_.finished();
}

}  // namespace pmctl
