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
//   all else: exit, failed checks,         one failure more, next start after next_start_delay (backoff.hpp)
//   start-up time-out, failed spawn
//
// A run that is healthy for reset_after without a break ends the count: failures = 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "supervisor/core/config.hpp"
#include "supervisor/core/run.hpp"

namespace pmctl {

enum class Rest { AtRest, Waiting, Blocked, NoPort };

struct Replica {
    SpecPtr spec;  // what is configured now
    std::uint32_t number = 0;
    Wanted wanted = Wanted::Stopped;
    std::string wanted_reason;  // "stopped by an operator", "enabled = false"

    std::optional<Run> run;  // the current one, or the last
    SpecPtr run_spec;        // what it was started from

    Rest rest = Rest::AtRest;
    Phase rest_phase = Phase::Stopped;  // shown while no run is live: Stopped or Failed
    std::string rest_reason;            // without what comes next: "exited with 1"
    TimePoint next_start = TimePoint::max();
    WallTime next_start_at{};  // the same for people
    std::string held_by;       // a stop waits for this replica, which depends on this one

    std::uint32_t failures = 0;    // in a row: the budget
    std::uint32_t ports_lost = 0;  // to strangers, in a row
    std::uint64_t restarts = 0;    // starts that the supervisor decided on because a run had failed
    bool leaving = false;          // no longer configured: to be forgotten when stopped
};

bool has_live_run(const Replica& replica);
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

struct StartOrder {
    std::string reason;
};
struct StopReplica {
    std::string reason;
    std::string held_by;  // not empty: wanted from now on, done when that one has stopped
    bool at_once = false;
};
struct RestartOrder {};
struct NewSpec {
    SpecPtr spec;
    bool replace = false;  // the process is to be replaced
};
struct ResetOrder {};
struct MayStart {};  // a gate has opened: the dependencies are there, or a port is
struct Blocked {
    std::string on;  // "'db' to be healthy"
};
struct NoPort {
    std::string message;  // "no free port in 30000-31000"
};
struct Spawned {
    RunNumber run = 0;
    int pid = 0;
    std::uint16_t port = 0;
};
struct SpawnFailed {
    std::string message;
    bool transient = false;  // the machine's lack: tried again, without cost to the budget
};
struct Checked {
    CheckResult result;
};
struct Exited {
    ExitStatus status;
    std::string note;          // "out of memory (limit 64MiB)", "" usually
    bool port_stolen = false;  // a stranger listens on its port
};
struct Woke {};

using ReplicaEvent = std::variant<StartOrder, StopReplica, RestartOrder, NewSpec, ResetOrder, MayStart,
                                  Blocked, NoPort, Spawned, SpawnFailed, Checked, Exited, Woke>;

struct Actions {
    bool start = false;         // find out whether it may start, and start it
    int signal = 0;             // send this to the run's group
    bool check = false;         // check the run now
    bool ended = false;         // the run is over: clean up
    bool another_port = false;  // its port is not to be had
};

// `random` in [0, 1): jitter of the backoff and spreading of the checks.
Actions step(Replica& replica, const ReplicaEvent& event, Now now, double random);

// When Woke is to be reported; max: never.
TimePoint next_deadline(const Replica& replica);

// In words what is wrong with this state, "" when nothing is: for tests and for a message about a bug.
std::string broken_invariant(const Replica& replica);

}  // namespace pmctl
