// A supervisor in virtual time: World moves from wake to wake, delivers exits and results of checks, and asks
// after each of them whether anything is wrong.
#pragma once

#include <doctest/doctest.h>
#include <spdlog/spdlog.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <variant>

#include "supervisor/commands.hpp"
#include "supervisor/views.hpp"
#include "tests/scenario/config_builder.hpp"
#include "tests/scenario/fake_effects.hpp"

namespace pmctl::test {

class World {
  public:
    FakeEffects effects;
    bool checks_everything = true;  // after each event; off for crowds

    explicit World(Inheritance left = {}) {
        spdlog::set_level(spdlog::level::off);
        supervisor_ =
            std::make_unique<Supervisor>(effects, Environment{{"PATH", "/usr/bin"}}, std::move(left));
        commands_ = std::make_unique<Commands>(*supervisor_, effects, "0.1.0", 42);
    }

    Supervisor& supervisor() { return *supervisor_; }
    Behaviour& app(const std::string& name) { return effects.of(name); }
    Now now() const {
        return {effects.begin + effects.time, WallTime(std::chrono::hours(400'000) + effects.time)};
    }
    Duration time() const { return effects.time; }

    std::vector<PlanEntry> apply(Config config) {
        effects.config = config;
        auto plan = supervisor_->apply(std::move(config), now());
        check_all();
        return plan;
    }
    std::vector<PlanEntry> apply(const std::vector<InstanceSpec>& specs) { return apply(config_of(specs)); }

    // Everything that is due up to then, one event after the other.
    void run_for(Duration span) {
        run_until(span, [] { return false; });
    }
    // Until this holds; false when it does not within `cap`.
    bool run_until(Duration cap, const std::function<bool()>& holds) {
        const Duration end = effects.time + cap;
        while (!holds()) {
            const Duration wake =
                effects.wake == TimePoint::max() ? Duration::max() : effects.wake - effects.begin;
            const Duration report = effects.agenda.empty() ? Duration::max() : effects.agenda.begin()->first;
            const Duration admin =
                effects.admin_agenda.empty() ? Duration::max() : effects.admin_agenda.begin()->first;
            const Duration next = std::min({wake, report, admin});
            if (next > end) {
                effects.time = end;
                return false;
            }
            effects.time = std::max(effects.time, next);
            if (report == next) {
                deliver();
            } else if (admin == next) {
                deliver_admin();
            } else {
                supervisor_->woke(now());
            }
            ++events;
            check_all();
        }
        return true;
    }
    bool run_until_phase(const std::string& name, Phase phase, Duration cap = 60s) {
        return run_until(cap, [&] { return has(name) && this->phase(name) == phase; });
    }
    void kill(const std::string& name, ExitStatus status = {ExitStatus::Kind::Signal, SIGKILL}) {
        const FakeProcess* process = effects.process(name);
        REQUIRE(process != nullptr);
        effects.exit_at(effects.time, process->run, status);
        run_for(0ns);
    }

    Member* find(const std::string& name) {
        for (auto& [id, instance] : supervisor_->roster().instances()) {
            for (const auto& member : instance.members) {
                if (member->name == name) return member.get();
            }
        }
        return nullptr;
    }
    bool has(const std::string& name) { return find(name) != nullptr; }
    Member& member(const std::string& name) {
        Member* found = find(name);
        if (found == nullptr) FAIL("there is no '" << name << "'");
        return *found;
    }
    Phase phase(const std::string& name) { return phase_of(member(name).replica); }
    std::string reason(const std::string& name) { return reason_of(member(name).replica, now()); }
    StatusRow row(const std::string& name) {
        return row_of(*supervisor_, member(name), effects.limits_here, now());
    }
    std::vector<std::string> names() {
        std::vector<std::string> all;
        for (auto& [id, instance] : supervisor_->roster().instances()) {
            for (const auto& member : instance.members) all.push_back(member->name);
        }
        return all;
    }

    std::optional<Result<Reply>> try_ask(const Request& request, bool may_park = false) {
        auto answer = commands_->run(request, may_park, now());
        check_all();
        return answer;
    }
    template <class Answer>
    Answer ask(const Request& request) {
        auto answer = try_ask(request);
        REQUIRE(answer.has_value());
        if (!*answer) FAIL(answer->error().message);
        REQUIRE(std::holds_alternative<Answer>(**answer));
        return std::get<Answer>(**answer);
    }
    Error refusal(const Request& request) {
        auto answer = try_ask(request);
        REQUIRE(answer.has_value());
        REQUIRE_FALSE(answer->has_value());
        return answer->error();
    }
    ActionReply start(std::vector<std::string> names) {
        return ask<ActionReply>(StartRequest{{std::move(names), false}});
    }
    ActionReply stop(std::vector<std::string> names) {
        return ask<ActionReply>(StopRequest{{std::move(names), false}});
    }
    ActionReply restart(std::vector<std::string> names) {
        return ask<ActionReply>(RestartRequest{{std::move(names), false}});
    }
    ActionReply scale(const std::string& id, std::uint32_t replicas) {
        return ask<ActionReply>(ScaleRequest{{{id, replicas}}});
    }

    // What is wrong with all of it, "" for nothing.
    std::string broken() {
        std::map<std::uint16_t, std::string> ports;
        std::map<RunNumber, std::string> runs;
        TimePoint first = TimePoint::max();
        for (auto& [id, instance] : supervisor_->roster().instances()) {
            for (const auto& each : instance.members) {
                const Replica& replica = each->replica;
                const std::string what = broken_invariant(replica);
                if (!what.empty()) return "'" + each->name + "': " + what;
                if (each->instance != &instance) return "'" + each->name + "' belongs to another";
                if (each->scheduled != next_deadline(replica))
                    return "'" + each->name + "': its deadline is not scheduled";
                first = std::min(first, each->scheduled);
                std::string wrong;
                const auto holds = [&](const Place& place, const Run* run) {
                    const std::uint16_t port = place.port;
                    // Runs of one replica may take connections from one socket.
                    const bool shares = place.listening && ports.contains(port) && ports[port] == each->name;
                    if (port != 0 && !ports.emplace(port, each->name).second && !shares)
                        wrong = "port " + std::to_string(port) + " is held twice";
                    if (port != 0 && !supervisor_->ports().held().contains(port))
                        wrong = "'" + each->name + "': its port is not in the table";
                    if (run == nullptr) return;
                    runs[run->number] = each->name;
                    if (!effects.live.contains(run->number))
                        wrong = "'" + each->name + "': its run is not there";
                    if (run->port != port) wrong = "'" + each->name + "': its run has another port";
                };
                holds(each->place, has_live_run(replica) ? &*replica.run : nullptr);
                holds(each->candidate_place, replica.candidate ? &*replica.candidate : nullptr);
                for (const Run& run : replica.outgoing) {
                    const auto place = each->outgoing_places.find(run.number);
                    if (place == each->outgoing_places.end())
                        return "'" + each->name + "': one that goes has no place";
                    holds(place->second, &run);
                }
                if (each->outgoing_places.size() != replica.outgoing.size())
                    return "'" + each->name + "': a place of one that has gone";
                if (!wrong.empty()) return wrong;
                if (!has_live_run(replica) && replica.wanted == Wanted::Stopped && each->place.port != 0)
                    return "'" + each->name + "' is stopped and holds a port";
                if (!replica.candidate && replica.update.stage != UpdateStage::Trying &&
                    each->candidate_place.port != 0)
                    return "'" + each->name + "' holds a port for no candidate";
                if (each->routed != 0 && (!replica.run || replica.run->number != each->routed ||
                                          phase_of(replica) != Phase::Running))
                    return "'" + each->name + "': requests are sent to a run that is not Running";
            }
        }
        if (runs.size() != effects.live.size()) return "a process belongs to nobody";
        if (ports.size() != supervisor_->ports().held().size()) return "a port is held for nobody";
        if (effects.wake > first) return "nobody is woken for the first deadline";
        if (effects.published != supervisor_->roster().generation()) return "a change was not published";
        if (const auto& admin = supervisor_->admin()) {
            if (effects.wake > next_deadline(*admin)) return "nobody is woken for the admin service";
            if (const std::string what = broken_invariant(*admin); !what.empty()) return what;
        }
        return "";
    }

    std::size_t events = 0;

  private:
    void deliver() {
        const Report report = effects.agenda.begin()->second;
        effects.agenda.erase(effects.agenda.begin());
        const auto process = effects.live.find(report.run);
        if (process == effects.live.end()) return;  // it has ended otherwise
        if (report.kind == Report::Kind::Exit) {
            effects.record("end " + process->second.name);
            effects.live.erase(process);
            supervisor_->exited(report.run, report.status, "", now());
        } else if (process->second.checking) {
            process->second.checking = false;
            supervisor_->checked(report.run, effects.answer(process->second), now());
        }
    }
    void deliver_admin() {
        auto [number, result] = std::move(effects.admin_agenda.begin()->second);
        effects.admin_agenda.erase(effects.admin_agenda.begin());
        supervisor_->admin_replied(number, std::move(result), now());
    }
    void check_all() {
        if (!checks_everything) return;
        const std::string what = broken();
        if (!what.empty()) FAIL(what << " (at " << format_duration(effects.time) << ")");
    }

    std::unique_ptr<Supervisor> supervisor_;
    std::unique_ptr<Commands> commands_;
};

}  // namespace pmctl::test
