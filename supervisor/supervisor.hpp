// Owns every instance: an event comes in, the core says what it means, Effects does it. The one place where
// state changes and is logged. Orders come from commands.hpp; how anything is done is io's.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shared/protocol.hpp"
#include "supervisor/core/admin_provider.hpp"
#include "supervisor/core/config.hpp"
#include "supervisor/core/launch.hpp"
#include "supervisor/core/ports.hpp"
#include "supervisor/core/reconcile.hpp"
#include "supervisor/core/routes.hpp"
#include "supervisor/effects.hpp"
#include "supervisor/journal.hpp"
#include "supervisor/roster.hpp"

namespace pmctl {

// What an earlier supervisor of this state_dir left to this one.
struct Inheritance {
    std::vector<Intention> intentions;
    std::map<std::string, std::uint32_t> scales;
    std::uint64_t next_run = 1;
    std::uint64_t next_event = 1;
    std::vector<Event> events;                   // the last ones, oldest first
    std::shared_ptr<const AdminSnapshot> admin;  // what the admin service said last; null: nothing
    // Not inherited, but of this one's own start: the targets that are started at first, with what they
    // depend on, while the others keep still until a reload or an order. Empty: all.
    std::vector<std::string> only;
    std::vector<FoundRun> runs;     // what became of its runs
    std::vector<RestRecord> rests;  // what was wanted and had no process
};

// The run to which requests may be sent, null for none: at most one a replica. What is to stop has left the
// routes before it is told.
const Run* routable(const Member& member);

// What a question for a hostname comes to.
struct RouteAnswer {
    RouteFound found;
    TimePoint hold_until{};  // not TimePoint{}: it is being started for this question, which may wait so long
};

class Supervisor {
  public:
    // `environment`: the supervisor's own, as children are to inherit it.
    Supervisor(Effects& effects, Environment environment, Inheritance inheritance);

    // `config`: what the files say. The admin service's entries in force come on top of it here.
    // What `apply` would do.
    std::vector<PlanEntry> plan(const Config& config) const;
    // Makes this configuration the wanted state; returns what that changes. The first call starts everything.
    // `partial`: those that `Inheritance::only` kept still go on keeping still.
    std::vector<PlanEntry> apply(Config config, Now now, bool partial = false);
    const Config& config() const { return config_; }  // with the admin service's entries
    // What counts from a start to the next: as it was then, whatever was reloaded since.
    const SupervisorSettings& started_with() const { return started_with_; }
    const HttpSettings& http_started_with() const { return http_started_with_; }
    // Says of each replica what a plan that was carried out changed.
    void tell_plan(const std::vector<PlanEntry>& plan, Now now);

    // Reports of the world. One about an earlier run is dropped.
    void exited(RunNumber run, const ExitStatus& status, const std::string& note, Now now);
    // Those that ended at the same moment are one turn, so that what follows them starts together.
    void exited(const std::vector<EndedRun>& ends, Now now);
    void checked(RunNumber run, const CheckResult& result, Now now);
    void admin_replied(std::uint64_t number, AdminResult result, Now now);
    void woke(Now now);
    // Something that belongs to no instance's state: a full disk, a refused peer.
    void note(const std::string& name, const std::string& kind, const std::string& text, Now now);

    // Someone wants to be led to this host. An instance with on_demand = true is started by that.
    RouteAnswer ask_route(std::string_view host, Now now);

    // A reader of the route table has seen a newer one: Effects::routes_seen. Of use while draining().
    void routes_read(Now now);
    bool draining() const { return !draining_.empty(); }

    // Orders. Intentions are stored.
    void start(const std::vector<Member*>& members, Now now);
    // In reverse order of the dependencies, as a restart is, too: what depends on another of them stops
    // first.
    void stop(const std::vector<Member*>& members, Now now);
    // `rolling`: served all the time, where there is a run that serves (see can_roll).
    void restart(const std::vector<Member*>& members, bool rolling, Now now);
    void reset(Member& member, Now now);
    void signal(Member& member, int number, Now now);  // of a live run
    void scale(Instance& instance, std::uint32_t replicas, Now now);
    // Stops everything, then Effects::finished. `at_once`: by KILL. `reason` is said once.
    void finish(bool at_once, const std::string& reason, Now now);
    bool finishing() const { return finishing_; }
    // A run that was healthy under an earlier supervisor has not been checked by this one yet.
    bool is_taking_over() const;

    Roster& roster() { return roster_; }
    const Roster& roster() const { return roster_; }
    const PortTable& ports() const { return ports_; }
    const Journal& journal() const { return journal_; }
    const RouteTable& routes() const { return routes_; }
    const Totals& totals() const { return totals_; }
    const std::optional<AdminProvider>& admin() const { return admin_; }
    // What it waits for before it may start, "" for nothing: "'db' to be healthy".
    std::string gate_of(const Member& member) const;
    // The first reconciliation is over: everything that was to be started was tried.
    bool applied() const { return applied_; }
    bool is_configured(const std::string& id) const;

  private:
    // Everything that one report or order leads to is one turn: its end starts what is to be started, and
    // publishes the new generation and the next wish to be woken, once. After an exception that is left to
    // the next turn.
    class Turn {
      public:
        Turn(Supervisor& supervisor, Now now)
            : supervisor_(supervisor), now_(now), exceptions_(std::uncaught_exceptions()) {
            ++supervisor_.depth_;
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn() noexcept(false) {
            if (--supervisor_.depth_ == 0 && std::uncaught_exceptions() == exceptions_)
                supervisor_.end_turn(now_);
        }

      private:
        Supervisor& supervisor_;
        Now now_;
        int exceptions_;
    };

    // What an event may change of the runs that a replica has.
    struct Runs {
        RunNumber current = 0;
        RunNumber candidate = 0;
        UpdateStage stage = UpdateStage::None;
        std::size_t outgoing = 0;

        bool operator==(const Runs&) const = default;
    };
    static Runs runs_of(const Replica& replica);

    void handle(Member& member, const ReplicaEvent& event, Now now);
    void tell_change(Member& member, Phase before, Now now);
    void remember(const Member& member, const char* kind, std::string text, Now now);
    void carry_out(Member& member, const Actions& actions, Now now);
    void end_turn(Now now);
    void settle(Now now);

    void carry_out(Member& member, RunNumber run, const RunActions& actions, Now now);
    static bool has_shared_socket(const Member& member, const Run& run);
    void check_run(Member& member, const Run& run);
    void tell_dependents(Member& member, Now now);
    std::string holder_of(const Member& member) const;
    void release_holds(Member& member, Now now);
    void hold_anew(Member& member, Now now);
    // When what depends on it and is to stop as well has stopped; drained first, but for `at_once`.
    void stop_replica(Member& member, const std::string& reason, bool at_once, Now now);
    void restart_replica(Member& member, Now now);

    // supervisor_starts.cpp
    struct Start {
        Member* member = nullptr;
        Slot slot = Slot::Current;
    };
    void start_soon(Member& member, Slot slot);
    void start_some(Now now);
    std::optional<SpawnRequest> try_start(const Start& start, Now now);
    std::optional<SpawnRequest> next_request(const Start& start, Now now);
    void started(const Start& start, RunNumber run, const SpawnOutcome& outcome, Now now);
    Result<Launch> launch_of(const Member& member, const InstanceSpec& spec, std::uint16_t port) const;
    SpawnRequest request_of(const Member& member, const ProcessSpec& process, Launch launch) const;

    // supervisor_marks.cpp
    void mark(const std::string& name, MarkKind kind, Now now, Duration took = {});
    void mark(const Member& member, const Counted& counted, Now now);
    void keep_watch(Now now);
    void end_watch(Now now);

    // supervisor_adoption.cpp
    void adopt_runs(Now now);
    Member& member_of(const FoundRun& found);
    void part_with_unwanted(Now now);
    void adopt_those(Member& member, const std::vector<const FoundRun*>& found, Now now);
    bool adopt(Member& member, const FoundRun& found, RunRole role, Now now);
    void leave_alone(Member& member, const RunRecord& record, const std::string& why, Now now);
    void settle_ended(Now now);
    void know_spec(Member& member, const InstanceSpec& spec);
    void record_run(const Member& member, RunNumber run, RunRole role);
    void record_rest(const Member& member, Now now);
    bool resume_rest(Member& member, Now now);

    // supervisor_updates.cpp
    void follow_update(Member& member, const Runs& before, Now now);
    void record_roles(const Member& member, const Runs& before);
    void call_off_others(const Member& member, Now now);
    void move_places(Member& member, const Runs& before, Now now);
    void tell_update(Member& member, const Runs& before, Now now);
    void want_turn(Instance& instance);
    bool may_try() const;
    void give_turns(Now now);
    void next_turn(Instance& instance, Now now);
    std::string update_gate_of(const Member& member) const;

    // supervisor_routes.cpp
    Duration drain_of(const Member& member, Now now);
    void leave_route(Member& member, RunNumber run, Now now);
    void end_drains(Now now);

    // supervisor_ports.cpp
    bool find_port(const Start& start, Now now);
    void release_port(const Member& member, Place& place, Now now);
    void wait_for_port(Member& member);
    void wait_no_longer(Member& member);
    void verify_released_ports(Now now);
    void promise_ports();

    // supervisor_routes.cpp
    void configure_routes(Now now);
    void update_routes(Now now);
    void start_on_demand(Instance& instance, Now now);
    bool may_be_asked_for(const Member& member) const;
    void begin_demand(Instance& instance, Now now);
    void watch_idle(Instance& instance, TimePoint when);
    void stop_idle(Now now);
    void stop_if_idle(Instance& instance, Now now);

    // supervisor_admin.cpp
    Config merged(const Config& files) const;
    void configure_admin(const std::optional<AdminSettings>& before, Now now);
    void forget_admin();
    std::string admin_address() const;
    void follow_admin(Now now);
    void step_admin(ProviderEvent event, Now now);
    void carry_out(const AdminActions& actions, Now now);
    std::vector<PlanEntry> apply_admin(Now now);
    void tell_admin(const std::string& text, bool bad, Now now);
    void tell_omissions(Now now);
    void store_admin();

    // supervisor_orders.cpp
    std::vector<PlanEntry> apply_files(Config config, Now now, bool partial);
    std::vector<PlanEntry> converge(Config config, const std::map<std::string, std::uint32_t>& scales,
                                    Now now);
    void tell_missing_limits(Now now);
    std::map<std::string, Actual> actual(const Targets& only) const;
    std::vector<PlanEntry> plan_of(const Config& config, const std::map<std::string, std::uint32_t>& scales,
                                   const Targets& only) const;
    bool has_admin_answer() const { return admin_ && admin_->in_force.fetched_at != WallTime{}; }
    void place(const PlanEntry& entry);
    void carry_out(const PlanEntry& entry, Now now);
    void remove_replica(Member& member, const std::string& reason, Now now);
    void forget(Member& member);
    void forget_instance(const std::string& id);
    void forget_strangers();

    // supervisor_wanted.cpp
    void want_at_first(Member& member, Now now);
    std::string why_quiet(const Member& member) const;
    bool others_are_stopped(const Member& member) const;
    bool others_were_started(const Member& member) const;
    bool joins_others(const Member& member) const;
    void start_needed(std::vector<Instance*> todo, Now now);
    bool is_stopped_by_operator(const Member& member) const;
    void remember_intention(const Member& member, Wanted wanted);

    Effects& effects_;
    Environment environment_;
    std::shared_ptr<const std::vector<std::string>> environment_list_;  // the same
    Config files_;                                                      // what the files say
    Config config_;                                                     // and the admin service on top of it
    SupervisorSettings started_with_;
    HttpSettings http_started_with_;
    Roster roster_;
    PortTable ports_;
    Journal journal_;
    RouteTable routes_;
    Totals totals_;
    std::uint64_t routes_seen_ = 0;                     // the generation up to which routes_ knows of changes
    std::set<std::pair<TimePoint, std::string>> idle_;  // ids: when to look whether it is still asked for
    std::map<std::pair<std::string, std::uint32_t>, Wanted> intentions_;
    std::map<std::string, std::uint32_t> inherited_scales_;
    std::shared_ptr<const AdminSnapshot> inherited_admin_;
    std::optional<AdminProvider> admin_;  // with [admin]
    std::optional<AdminAccess> admin_access_;
    std::optional<AdminReach> admin_change_;     // a reload's, to be told at the end of the turn
    std::vector<AdminOmission> told_omissions_;  // sorted by id
    std::string told_missing_limits_;
    // Replicas that were found and are not configured: the admin service's first answer decides.
    std::set<std::pair<std::string, std::uint32_t>> undecided_;
    Targets only_;                      // no names: all
    std::vector<FoundRun> found_runs_;  // until the first configuration is applied
    std::map<std::pair<std::string, std::uint32_t>, RestRecord> rests_;  // the same
    std::vector<std::pair<Member*, const FoundRun*>> ended_runs_;
    std::set<const Member*> left_alone_;  // until an operator says otherwise
    RunNumber next_run_;
    RunNumber promised_runs_;   // the store knows that none below it may be given out again
    std::set<RunNumber> live_;  // all but those that even KILL did not end
    // Starts, and what their outcome means for others, wait for the end of the turn: by then everybody knows
    // what is wanted of him, and nothing recurses through a chain of dependencies.
    std::deque<Start> to_start_;
    std::deque<Instance*> to_update_;                // some of their replicas wait for their turn
    std::set<const Member*> trying_;                 // have a candidate, or are to get one
    std::set<Member*, MadeBefore> draining_;         // have left routes that someone may still follow
    std::deque<Member*> changed_;                    // in a way that their dependents may look at
    std::set<const Member*> together_;               // an order that is being given stops all of these
    std::set<RunNumber> restarting_;                 // live, and to be followed by another by one order
    std::map<std::uint64_t, Member*> without_port_;  // first come, first served
    std::uint64_t last_port_turn_ = 0;
    std::size_t ports_for_others_ = 0;                            // released in this turn
    std::deque<std::pair<std::uint16_t, std::string>> released_;  // to be looked at: is it free now?
    TimePoint verify_at_ = TimePoint::max();
    std::vector<Member*> left_;  // to be forgotten at the end of the turn
    int depth_ = 0;              // of nested turns: the outermost one ends it
    WallTime marked_at_{};       // the last one; WallTime{}: none yet
    bool watching_ = true;
    bool applied_ = false;
    bool finishing_ = false;
    bool finished_ = false;
};

}  // namespace pmctl
