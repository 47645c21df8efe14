// The life of one replica over its runs: when the next run begins (restart policy, backoff, circuit), what an
// order or a change of its specification does to it, and what is shown of it. Whether a start may happen now
// (dependencies, a free port) is the Supervisor's to find out; it answers a `start` action with Spawned,
// SpawnFailed, Blocked or NoPort.
//
// While no run is live it rests in one of these:
//
//   AtRest      nothing will happen by itself       Stopped, or Failed with restart.policy = "never"
//   Waiting     next_start is known                 Failed
//   Blocked     a dependency is not Running         Stopped
//   NoPort      none is free in the range           Failed; tried again when one is released, and at
//   next_start
//
// How a run ended decides what follows (wanted is Running):
//
//   asked for a restart, or replaced       started again at once
//   its port belongs to a stranger         started again at once on another port; costs nothing of the
//                                          budget, but for max_ports_lost in a row
//   exited with 0, policy on-failure/never AtRest: completed
//   policy never                           AtRest: Failed
//   its port is held (StartFault::Port)    looked at each backoff_initial, also with policy never
//   the machine refused the start          started again after refused_start_delay; costs nothing of the
//   (StartFault::Machine)                  budget
//   all else: exit, failed checks,         one failure more, next start after next_start_delay (backoff.hpp)
//   start-up time-out, failed spawn
//
// A run that is healthy for reset_after without a break ends the count: failures = 0.
//
// Beside the current run there may be others: the candidate of an update (rolling.hpp), and those that are on
// their way out: what ran before an update, candidates that were given up. Nothing follows the end of those.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/core/config.hpp"
#include "supervisor/core/run.hpp"

namespace pmctl {

enum class Rest { AtRest, Waiting, Blocked, NoPort };

// How far a rolling update has come: rolling.hpp.
enum class UpdateStage { None, Waiting, Trying, Failed };

struct Update {
    UpdateStage stage = UpdateStage::None;
    SpecPtr spec;        // what it brings; null with None
    std::string reason;  // Waiting: for what. Trying: why there is no candidate yet. Failed: why
    TimePoint deadline = TimePoint::max();  // Trying: given up then, or trusted (health.kind = "none")
    TimePoint next_try = TimePoint::max();  // Trying, with no candidate: tried again then
    std::uint32_t ports_lost = 0;           // by candidates, to strangers

    bool operator==(const Update&) const = default;
};

struct Replica {
    SpecPtr spec;  // what is configured now
    std::uint32_t number = 0;
    Wanted wanted = Wanted::Stopped;
    std::string wanted_reason;  // "stopped by an operator", "enabled = false"

    std::optional<Run> run;  // the current one, or the last
    SpecPtr run_spec;        // what it was started from; null: an earlier supervisor did, and it is not known

    Update update;
    std::optional<Run> candidate;  // live, with Trying
    std::vector<Run> outgoing;     // live, Stopping or Failed (stop_failed)

    Rest rest = Rest::AtRest;
    Phase rest_phase = Phase::Stopped;  // shown while no run is live: Stopped or Failed
    std::string rest_reason;            // without what comes next: "exited with 1"
    TimePoint next_start = TimePoint::max();
    WallTime next_start_at{};  // the same for people
    std::string held_by;       // a stop, or restart, waits for this replica, which depends on this one

    std::uint32_t failures = 0;    // in a row: the budget
    std::uint32_t refusals = 0;    // of starts by the machine, in a row: cost nothing of the budget
    std::uint32_t ports_lost = 0;  // to strangers, in a row
    std::uint64_t restarts = 0;    // starts that the supervisor decided on because a run had failed
    bool leaving = false;          // no longer configured: to be forgotten when stopped
};

bool has_live_run(const Replica& replica);  // the current one
// Any run, also one that is on its way out.
bool has_process(const Replica& replica);
// A process of it may still come to its end.
bool may_end(const Replica& replica);
// The live run of this number; null: it is none of this replica's.
const Run* find_run(const Replica& replica, RunNumber run);
// What the next current run is started from: what is configured, but what ran last while an update to that is
// under way or has failed.
const SpecPtr& next_spec(const Replica& replica);
// What the current run is checked, judged and stopped by: what is configured, unless another process is. Then
// that by which it was started: a new version may have another health path, and the old one serves on.
const InstanceSpec& judged_by(const Replica& replica);
// A program that leaves a listener of its own behind looks like one whose port was stolen: it is not to be
// started for ever without a pause.
constexpr std::uint32_t max_ports_lost = 5;
// What is shown for the whole.
Phase phase_of(const Replica& replica);
bool runs_old_spec(const Replica& replica);
// It did what it had to and ended with 0 under a policy that leaves it so.
bool completed(const Replica& replica);
// Why it is in its phase, in words, with what comes next: "exited with 1; next start in 2s (2 failures in a
// row)".
// "" where there is nothing to say.
std::string reason_of(const Replica& replica, Now now);
// What comes next and when: "checked in 3s", "started in 2s", "" for nothing.
std::string next_of(const Replica& replica, Now now);
// What there is to say of its update, "" for nothing.
std::string update_in_words(const Replica& replica);
// "drains: pid 42 on port 30000": of one that is on its way out.
std::string outgoing_in_words(const Run& run, Now now);

struct StartOrder {
    std::string reason;
};
// `drain`, here and below: requests may still be sent to the current run for so long after it left the
// routes.
struct StopReplica {
    std::string reason;
    std::string held_by;  // not empty: wanted from now on, done when that one has stopped
    bool at_once = false;
    Duration drain{};
};
struct RestartOrder {
    bool rolling = false;  // by an update to the same, where there is something to keep serving
    Duration drain{};
    std::string held_by;  // not empty: done when that one has stopped
};
struct NewSpec {
    SpecPtr spec;
    bool replace = false;  // the process is to be replaced
    Duration drain{};
};
struct ResetOrder {};
// A run of an earlier supervisor, found alive. The current one comes first.
struct Adopted {
    Run run;
    RunRole role = RunRole::Current;
    SpecPtr spec;  // what it was started from; null: not what is configured
    std::uint64_t restarts = 0;
    std::uint32_t failures = 0;
};
// It was wanted and had no process when an earlier supervisor ended: it goes on like that.
struct Rested {
    Rest rest = Rest::Waiting;  // or AtRest
    Phase phase = Phase::Failed;
    std::string reason;
    Duration until_start{};  // with Waiting
    std::uint32_t failures = 0;
    std::uint64_t restarts = 0;
    std::optional<int> exit_code;  // of its last run
};
struct UpdateTurn {};  // of those that wait for theirs, it may be updated now
struct UpdateHeld {
    std::string by;  // "waits for 'db' to be healthy"
};
struct UpdateCalledOff {
    std::string reason;  // "'web:0' could not be updated"
};
// No request is sent to this run after `by`.
struct Unrouted {
    RunNumber run = 0;
    TimePoint by{};
};

// Which run a start is for.
enum class Slot { Current, Candidate };

struct MayStart {};  // a gate has opened: the dependencies are there, or a port is
struct Blocked {
    std::string on;  // "'db' to be healthy"
};
struct NoPort {
    std::string message;  // "no free port in 30000-31000"
    Slot slot = Slot::Current;
};
struct Spawned {
    RunNumber run = 0;
    int pid = 0;
    std::uint16_t port = 0;
    Slot slot = Slot::Current;
};
enum class StartFault {
    Own,      // of the program or its configuration: a failure like any other
    Port,     // the one that it must have is held: looked at again and again, at no cost
    Machine,  // no process, memory, descriptor or place for its log to be had
};
struct SpawnFailed {
    std::string message;
    StartFault fault = StartFault::Own;
    Slot slot = Slot::Current;
};
struct Checked {
    CheckResult result;
    RunNumber run = 0;  // 0: the current one
};
struct Exited {
    ExitStatus status;
    std::string note;          // "out of memory (limit 64MiB)", "" usually
    bool port_stolen = false;  // a stranger listens on its port
    RunNumber run = 0;         // 0: the current one
};
struct Woke {};

using ReplicaEvent = std::variant<StartOrder, StopReplica, RestartOrder, NewSpec, ResetOrder, Adopted, Rested,
                                  UpdateTurn, UpdateHeld, UpdateCalledOff, Unrouted, MayStart, Blocked,
                                  NoPort, Spawned, SpawnFailed, Checked, Exited, Woke>;

// What is to be done with a run that is not the current one.
struct RunOrder {
    RunNumber run = 0;
    RunActions actions;
};

struct Actions {
    bool start = false;         // find out whether the current run may start, and start it
    int signal = 0;             // send this to the current run's group
    bool check = false;         // check the current run now
    bool ended = false;         // the current run is over: clean up
    bool another_port = false;  // its port is not to be had
    bool wants_turn = false;    // it waits for its turn to be updated
    bool start_candidate = false;
    std::vector<RunOrder> others;
};

// `random` in [0, 1): jitter of the backoff and spreading of the checks.
Actions step(Replica& replica, const ReplicaEvent& event, Now now, double random);

// When Woke is to be reported; max: never.
TimePoint next_deadline(const Replica& replica);

// In words what is wrong with this state, "" when nothing is: for tests and for a message about a bug.
std::string broken_invariant(const Replica& replica);

}  // namespace pmctl
