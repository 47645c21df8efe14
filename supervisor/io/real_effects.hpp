// The Effects of the real world: hands each wish to the part of io that fulfils it, and each report of theirs
// to the Supervisor. No decision is made here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "supervisor/effects.hpp"
#include "supervisor/io/admin_client.hpp"
#include "supervisor/io/adoption.hpp"
#include "supervisor/io/cgroup.hpp"
#include "supervisor/io/config_files.hpp"
#include "supervisor/io/exec_check.hpp"
#include "supervisor/io/handover.hpp"
#include "supervisor/io/listeners.hpp"
#include "supervisor/io/log_reader.hpp"
#include "supervisor/io/logs.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/probes.hpp"
#include "supervisor/io/proc_files.hpp"
#include "supervisor/io/process_table.hpp"
#include "supervisor/io/spawn_crew.hpp"
#include "supervisor/io/state_store.hpp"
#include "supervisor/io/stored_answers.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

class Supervisor;

class RealEffects final : public Effects {
  public:
    struct Hooks {
        std::function<void()> changed;       // the generation rose, or there is a new event
        std::function<void()> logs_written;  // at most once a turn
        std::function<void()> finished;
        std::function<void(std::uint64_t number)> answers_stored = [](std::uint64_t) {};  // StoredAnswers
    };

    // Opens everything that needs opening; `supervisor` is told later, when it exists. Error: what cannot be
    // had.
    static Result<std::unique_ptr<RealEffects>> make(Loop& loop, const Config& config,
                                                     Surroundings surroundings,
                                                     const ChildDefaults& defaults);
    void serve(Supervisor& supervisor, Hooks hooks);

    // What an earlier supervisor left, before anything is started: its runs, of which those that are Alive
    // can be adopted. Processes that are none of theirs any longer are killed, with a line for each in
    // `killed`. Error: nobody can say what is running, so nothing may be started.
    struct Inherited {
        std::vector<FoundRun> runs;
        std::vector<std::string> killed;
        RunNumber next_run = 1;  // higher than any that was found: the store may be a new one
    };
    Result<Inherited> find_runs(const std::vector<RunRecord>& stored);
    // Goes on with one of these as if it had been started here; before the loop's first turn, when the log
    // settings of its name are set. That its log, cgroup or listening socket is not to be had is told as
    // trouble, and the run goes on. Error: nothing was changed, it may be asked for again.
    Result<void> adopt(RunNumber run) override;
    void collect_logs(const std::string& log_name) override;

    // The loop has ended: nothing that a run has started outlives the supervisor, nor its FIFOs.
    void end_all();

    // What is to outlast this program (handover.hpp): the store is written, listening sockets and FIFOs are
    // added. Error: it cannot be written.
    Result<void> hand_over(Handover& handover);
    // Processes are given time to end, which another program could not know of.
    bool awaits_groups() const { return processes_->awaits_groups(); }
    // What the program before this one has handed over, before anything is adopted; `end_takeover` when it
    // has been.
    void take_over(Handover& handover);
    void end_takeover();
    // Checks that are nobody's: they are told to `done`.
    Result<std::unique_ptr<ExecChecks>> other_checks(ExecChecks::Done done);

    StateStore& state() { return *store_; }
    StoredAnswers& answers() { return *answers_; }

    std::vector<SpawnOutcome> spawn(const std::vector<SpawnRequest>& requests) override;
    void signal(RunNumber run, int signal_number) override;
    void stop(RunNumber run, int signal_number) override;
    void clean_up(RunNumber run) override;
    void check(const CheckRequest& request) override;
    void forget_checks(RunNumber run) override;
    std::uint64_t routes_seen() override { return routes_seen_ ? routes_seen_() : UINT64_MAX; }
    // Who knows that: the HTTP API.
    void ask_for_routes_seen(std::function<std::uint64_t()> routes_seen) {
        routes_seen_ = std::move(routes_seen);
    }
    PortState port_state(std::uint16_t port) override;
    std::string port_holder(std::uint16_t port) override;
    void close_listener(std::uint16_t port) override;
    void keep_listener(std::uint16_t port) override;
    void set_log_settings(const std::string& log_name, const LogSettings& settings) override;
    void close_logs(const std::string& log_name) override;
    void set_admin(const AdminAccess& access) override;
    void call_admin(const AdminCall& call) override;
    void drop_admin_calls() override;
    void wake_at(TimePoint when) override;
    void publish(std::uint64_t generation) override;
    void store(StoreWrite write) override;
    void answer_when_stored() override { answers_->ask(); }
    Result<Config> load_config() override;
    Result<LogsReply> read_logs(const LogsRequest& request,
                                const std::vector<std::pair<std::string, std::string>>& names) override;
    std::string log_path(const std::string& log_name) override;
    std::vector<std::string> kept_logs(const std::string& name, const std::string& cursor) override;
    std::vector<Event> history(const std::string& name, std::size_t limit) override;
    Result<std::vector<Mark>> marks(WallTime since) override;
    OwnFigures own_figures() override;
    const GroupLimits& group_limits() override { return group_limits_; }
    TimePoint clock() override;
    double random() override;
    void finished() override;

  private:
    RealEffects(Loop& loop, const Config& config, Surroundings surroundings);

    struct Preparation {
        SpawnFds fds;
        std::unique_ptr<RunCgroup> cgroup;
    };

    // What is known of a live run since its start.
    struct LiveRun {
        std::string log_name;
        std::string fingerprint;
        bool listening = false;
        std::uint64_t start_ticks = 0;  // 0: not known
    };

    void complete(RunRecord& run) const;
    std::uint64_t start_ticks_of(const Child& child);
    std::unique_ptr<RunCgroup> cgroup_of(const RunRecord& record);
    void adopt_logs(const std::string& log_name, pid_t pid);
    void adopt_waiting_logs();
    bool has_descriptors_for_run(std::size_t others) const;
    tl::expected<Preparation, SpawnFailure> prepare(const SpawnRequest& request, std::size_t others);
    void ended(RunNumber run, const ExitStatus& status);
    void trouble(const std::string& name, const std::string& kind, const std::string& text);

    Loop& loop_;
    std::string config_path_;
    std::string state_dir_;
    Surroundings surroundings_;
    Supervisor* supervisor_ = nullptr;
    Hooks hooks_;
    std::unique_ptr<StoredAnswers> answers_;  // outlives the store, whose thread may still call it
    std::unique_ptr<StateStore> store_;
    std::unique_ptr<SpawnCrew> crew_;
    std::unique_ptr<ProcessTable> processes_;
    std::unique_ptr<Cgroups> cgroups_;
    GroupLimits group_limits_;
    Listeners listeners_;
    std::vector<Descriptor> streams_taken_over_;
    std::unique_ptr<Logs> logs_;
    std::map<std::string, pid_t> waiting_logs_;  // of adopted runs, not to be had at the moment
    Timer log_retry_;
    Timer rest_;  // when a start or a reload is over
    std::unique_ptr<Probes> probes_;
    std::unique_ptr<ExecChecks> exec_checks_;
    std::function<std::uint64_t()> routes_seen_;
    std::unique_ptr<AdminClient> admin_;  // with the first [admin]
    std::unordered_map<RunNumber, LiveRun> live_;
    std::unordered_map<RunNumber, Finding> found_;  // alive, and not adopted yet
    std::string boot_id_ = boot_id();
    // Clock and /proc do not tell the same of when a process began everywhere, and once may be chance, where
    // they differ by less than a tick: of how many ticks they did. -1: of one they did not, which is for
    // good.
    int clock_agreements_ = 0;
    std::uint64_t agreed_tick_ = 0;  // the last: starts within it are one agreement
    TimePoint begun_ = clock();
    std::unordered_map<std::string, LogSettings> log_settings_;
    std::vector<EndedRun> ended_;  // in this turn of the loop
    std::mt19937_64 random_;
    int descriptors_for_runs_ = 0;
    bool publish_asked_ = false;
};

}  // namespace pmctl
