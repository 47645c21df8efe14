// The world as tests see it: processes that do what they are told to, at times that the test moves. Keeps
// what was asked of it, and an agenda of what is to be reported; World delivers it.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/effects.hpp"

namespace pmctl::test {

using namespace std::chrono_literals;

// How the processes of one replica behave.
struct Behaviour {
    Duration healthy_after{};                         // of its start
    std::vector<std::pair<Duration, Duration>> sick;  // answers 503 from - to, as time of the World
    std::optional<Duration> exits_after;
    ExitStatus exit{ExitStatus::Kind::Code, 1};
    bool ignores_term = false;
    bool survives_kill = false;  // uninterruptible sleep
    Duration stop_takes = 5ms;
    std::optional<SpawnFailure> spawn_fails;
};

struct FakeProcess {
    RunNumber run = 0;
    std::string name;
    std::uint16_t port = 0;
    int pid = 0;
    Duration started{};
    std::vector<int> signals;
    bool checking = false;
    std::vector<std::string> argv;
};

struct Report {
    enum class Kind { Exit, Check };
    Kind kind = Kind::Exit;
    RunNumber run = 0;
    ExitStatus status;
};

class FakeEffects final : public Effects {
  public:
    TimePoint begin{std::chrono::hours(1)};  // of the World, by the clock that is never set
    Duration time{};                         // since then
    std::map<std::string, Behaviour> behaviours;
    std::map<std::string, Behaviour>
        programs;  // by argv[0]: of those that have it, in place of their replica's
    std::map<RunNumber, FakeProcess> live;
    std::multimap<Duration, Report> agenda;

    std::map<std::string, std::vector<SpawnRequest>> spawns;  // by log name; refused ones, too
    std::vector<std::string> order;  // "start web", "SIGTERM web", "end web": as it happened
    std::vector<CheckRequest> checks;
    std::set<std::uint16_t> strangers;  // ports that others hold
    std::set<std::uint16_t> closed_listeners;
    std::set<std::uint16_t> kept_listeners;
    std::set<std::string> closed_logs;
    std::map<std::string, LogSettings> log_settings;
    std::vector<StoreWrite> writes;
    std::size_t syncs = 0;
    std::size_t publishes = 0;
    std::size_t randoms = 0;
    std::size_t port_questions = 0;
    std::size_t holder_questions = 0;
    std::uint64_t published = 0;
    TimePoint wake = TimePoint::max();
    bool is_finished = false;
    bool keeps_records = true;  // of order, checks, writes: off for crowds
    Result<Config> config = fail("no configuration");
    std::function<void(const AdminCall&)> admin;  // the service; none: no answers
    std::multimap<Duration, std::pair<std::uint64_t, AdminResult>> admin_agenda;  // when → call, its answer
    std::vector<AdminAccess> accesses;
    std::size_t admin_drops = 0;
    std::vector<double> dice{0.5};
    LogsReply logs;

    Behaviour& of(const std::string& name) { return behaviours[name]; }
    const Behaviour& of(const std::string& name, const std::vector<std::string>& argv) {
        const auto program = programs.find(argv.front());
        return program == programs.end() ? behaviours[name] : program->second;
    }
    const FakeProcess* process(const std::string& name) const {
        for (const auto& [run, each] : live) {
            if (each.name == name) return &each;
        }
        return nullptr;
    }
    std::size_t starts(const std::string& name) const {
        const auto found = spawns.find(name);
        return found == spawns.end() ? 0 : found->second.size();
    }
    void exit_at(Duration when, RunNumber run, ExitStatus status) {
        agenda.emplace(when, Report{Report::Kind::Exit, run, status});
    }
    void record(const std::string& what) {
        if (keeps_records) order.push_back(what);
    }

    std::vector<SpawnOutcome> spawn(const std::vector<SpawnRequest>& requests) override {
        std::vector<SpawnOutcome> outcomes;
        for (const SpawnRequest& each : requests) outcomes.push_back(spawn_one(each));
        return outcomes;
    }
    SpawnOutcome spawn_one(const SpawnRequest& request) {
        const Behaviour& how = of(request.log_name, request.argv);
        spawns[request.log_name].push_back(keeps_records ? request : SpawnRequest{});
        if (how.spawn_fails) return tl::unexpected(*how.spawn_fails);
        const int pid = next_pid_++;
        std::uint16_t port = 0;
        for (const std::string& each : request.env) {
            if (each.starts_with("PORT=")) port = static_cast<std::uint16_t>(std::stoi(each.substr(5)));
        }
        live[request.run] = {request.run, request.log_name, port, pid, time, {}, false, request.argv};
        record("start " + request.log_name);
        if (how.exits_after) exit_at(time + *how.exits_after, request.run, how.exit);
        return pid;
    }
    std::set<RunNumber> not_adoptable;
    std::vector<std::string> collected;
    Result<void> adopt(RunNumber run) override {
        if (not_adoptable.contains(run) || !live.contains(run)) return fail("it is not there");
        record("adopt " + live.at(run).name);
        return {};
    }
    void collect_logs(const std::string& name) override { collected.push_back(name); }
    void signal(RunNumber run, int number) override {
        FakeProcess& process = live.at(run);
        process.signals.push_back(number);
        record(signal_name(number) + " " + process.name);
        const Behaviour& how = of(process.name, process.argv);
        const bool ends = number == SIGKILL ? !how.survives_kill : number != SIGHUP && !how.ignores_term;
        const Duration takes = number == SIGKILL ? Duration(1ms) : how.stop_takes;
        if (ends) exit_at(time + takes, run, {ExitStatus::Kind::Signal, number});
    }
    void stop(RunNumber run, int number) override { signal(run, number); }
    void clean_up(RunNumber) override {}

    void check(const CheckRequest& request) override {
        if (keeps_records) checks.push_back(request);
        ++checks_made;
        live.at(request.run).checking = true;
        agenda.emplace(time + 1ms, Report{Report::Kind::Check, request.run, {}});
    }
    std::uint64_t routes_seen_by_all = UINT64_MAX;
    std::uint64_t routes_seen() override { return routes_seen_by_all; }
    void forget_checks(RunNumber run) override {
        if (const auto found = live.find(run); found != live.end()) found->second.checking = false;
    }
    std::size_t checks_made = 0;
    CheckResult answer(const FakeProcess& process) {
        const Behaviour& how = of(process.name, process.argv);
        for (const auto& [from, to] : how.sick) {
            if (time >= from && time < to) return {false, "HTTP 503", 1ms};
        }
        if (time - process.started < how.healthy_after) return {false, "connection refused", 1ms};
        return {true, "", 1ms};
    }

    PortState port_state(std::uint16_t port) override {
        ++port_questions;
        if (strangers.contains(port)) return PortState::Taken;
        for (const auto& [run, each] : live) {
            if (few_processes && each.port == port) return PortState::Taken;
        }
        return PortState::Free;
    }
    bool few_processes = true;  // off: no process holds its port, so that a crowd costs nothing here
    std::string port_holder(std::uint16_t) override {
        ++holder_questions;
        return "pid 4242 (nginx)";
    }
    void close_listener(std::uint16_t port) override { closed_listeners.insert(port); }
    void keep_listener(std::uint16_t port) override { kept_listeners.insert(port); }

    void set_log_settings(const std::string& name, const LogSettings& settings) override {
        log_settings[name] = settings;
        closed_logs.erase(name);
    }
    void close_logs(const std::string& name) override { closed_logs.insert(name); }

    void set_admin(const AdminAccess& access) override {
        accesses.push_back(access);
        admin_agenda.clear();
    }
    void call_admin(const AdminCall& call) override {
        if (admin) admin(call);
    }
    void drop_admin_calls() override {
        ++admin_drops;
        admin_agenda.clear();
    }

    void wake_at(TimePoint when) override { wake = when; }
    void publish(std::uint64_t generation) override {
        ++publishes;
        published = generation;
    }
    void store(StoreWrite write) override {
        if (keeps_records) writes.push_back(std::move(write));
    }
    void answer_when_stored() override { ++syncs; }

    Result<Config> load_config() override { return config; }
    std::vector<std::pair<std::string, std::string>> logs_read;
    Result<LogsReply> read_logs(const LogsRequest&,
                                const std::vector<std::pair<std::string, std::string>>& names) override {
        logs_read = names;
        return logs;
    }
    std::map<std::string, std::vector<std::string>> logs_kept;
    std::vector<std::string> kept_logs(const std::string& name, const std::string&) override {
        const auto found = logs_kept.find(name);
        return found == logs_kept.end() ? std::vector<std::string>{} : found->second;
    }
    std::string log_path(const std::string& name) override { return "/var/lib/pmctl/logs/" + name; }
    std::vector<Event> history(const std::string&, std::size_t) override { return {}; }
    Result<std::vector<Mark>> marks(WallTime) override {
        std::vector<Mark> all;
        for (const StoreWrite& each : writes) {
            if (each.kind == StoreWrite::Kind::AppendMark) all.push_back(each.mark);
        }
        return all;
    }
    OwnFigures own_figures() override { return {time / 100, time, 12 << 20}; }
    GroupLimits limits_here{.why_not = "there is no cgroup here"};
    const GroupLimits& group_limits() override { return limits_here; }
    TimePoint clock() override { return begin + time; }
    double random() override { return dice[randoms++ % dice.size()]; }
    void finished() override { is_finished = true; }

  private:
    int next_pid_ = 1000;
};

}  // namespace pmctl::test
