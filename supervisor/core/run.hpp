// The state machine of one run: one life of one process, from its spawn to its exit. When the next run begins
// is replica.hpp's; what a check is made of is io's.
//
//                      Unknown    Starting   Running    Unhealthy  Stopping        Failed (stop_failed)
//   adopted            Starting
//   good check *                  Running    -          Running    -               -
//   bad, streak < unhealthy_after -          -          -          -               -
//   bad, >= unhealthy_after       -          Unhealthy  -          -               -
//   bad, >= restart_after         -          Stopping   Stopping   -               -
//   startup_timeout               Stopping
//   stop               Stopping   Stopping   Stopping   Stopping   -               -
//   routes left                                                    stop_signal     -
//   stop_timeout                                                   KILL, Failed    -
//   exited             Failed     Failed     Failed     Failed     Stopped         Failed
//
// One that requests are sent to drains first: Stopping, but it is told (stop_signal) only when nobody is led
// there any longer.
//
//   * healthy_after of them in a row where it was Unhealthy; the first one at a start
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "shared/time.hpp"
#include "supervisor/core/check_result.hpp"
#include "supervisor/core/config.hpp"
#include "supervisor/core/health.hpp"

namespace pmctl {

// Unique over all replicas and all supervisors of one state_dir; rises. 0: none.
using RunNumber = std::uint64_t;

// What is asked of a replica, by its configuration or its operator.
enum class Wanted { Running, Stopped };

enum class Phase { Unknown, Starting, Running, Unhealthy, Stopping, Stopped, Failed };
std::string_view to_text(Phase phase);

// How a process ended, as waitid(2) tells it.
struct ExitStatus {
    enum class Kind { Code, Signal, Unknown };
    Kind kind = Kind::Unknown;
    int value = 0;

    bool operator==(const ExitStatus&) const = default;
};
// "exited with 1", "killed by SIGSEGV", "ended, exit status unknown".
std::string describe(const ExitStatus& status);
// "SIGTERM", or "signal 64" where it has no name.
std::string signal_name(int number);
// "TERM", "SIGTERM", "15" → 15; nothing for what is no signal.
std::optional<int> signal_number(std::string_view text);

// What a run is to its replica.
enum class RunRole { Current, Candidate, Outgoing };

// Why a run is being stopped decides what follows its end: replica.hpp.
enum class StopCause { Asked, Restart, StartTimeout, Unhealthy };

// How far a Stopping run has been told to end.
enum class StopStage { Draining, Told, Killed };

struct LastCheck {
    CheckResult result;
    WallTime at{};

    bool operator==(const LastCheck&) const = default;
};

struct Run {
    RunNumber number = 0;
    Phase phase = Phase::Starting;
    int pid = 0;
    std::uint16_t port = 0;
    TimePoint started{};
    WallTime started_at{};
    TimePoint deadline = TimePoint::max();    // of the phase: startup_timeout, drain, stop_timeout
    TimePoint next_check = TimePoint::max();  // max while one is under way, too
    std::uint32_t checks = 0;                 // made so far
    Streak streak;
    bool was_healthy = false;                // at least once
    std::optional<TimePoint> healthy_since;  // Running without a break from then on
    std::optional<StopCause> stop_cause;     // with Stopping and after it
    StopStage stop_stage = StopStage::Told;  // with Stopping and after it
    int stop_signal = 0;                     // the same: what it is told by, as when its stop began
    Duration stop_timeout{};
    std::optional<LastCheck> last_check;
    std::optional<ExitStatus> exit;  // once it has ended

    bool operator==(const Run&) const = default;
};

// Its process may still be there.
bool is_live(const Run& run);
// It is to be ended, and has not been told yet.
bool is_draining(const Run& run);

struct GoodOrBad {
    CheckResult result;
    double spread = 0;  // in [0, 1): see steady_check_delay
};
struct StopOrder {
    StopCause cause = StopCause::Asked;
    bool at_once = false;  // KILL, no grace
    Duration drain{};      // it may still be sent requests for so long
};
// No requests are sent there after `by`, which may be over.
struct RoutesLeft {
    TimePoint by{};
};
struct ProcessExited {
    ExitStatus status;
};
struct DeadlinePassed {};
using RunEvent = std::variant<GoodOrBad, StopOrder, RoutesLeft, ProcessExited, DeadlinePassed>;

struct RunActions {
    int signal = 0;      // send this to its group
    bool check = false;  // check it now
    bool ended = false;  // the process is gone
};

// The run as it is right after its process was spawned.
Run begin_run(RunNumber number, int pid, std::uint16_t port, Now now, const HealthSettings& health);
// One that an earlier supervisor started, `age` ago, as it is right after it was found alive. One that was
// healthy then has to answer as soon as one that fails its checks.
Run adopt_run(RunNumber number, int pid, std::uint16_t port, Duration age, bool was_healthy, Now now,
              const HealthSettings& health);
RunActions step(Run& run, const RunEvent& event, Now now, const Policy& policy);
// The next moment at which DeadlinePassed is to be reported; max: never.
TimePoint next_deadline(const Run& run);

// After a KILL a process ends at once, unless the kernel holds it (D state): then this is said to have
// failed.
constexpr Duration kill_patience = std::chrono::seconds(10);

}  // namespace pmctl
