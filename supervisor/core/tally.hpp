// What happened to one replica so far, in numbers, for /metrics: phases it went through, restarts by cause,
// checks, time wanted and time served. Since this supervisor's start; how it is shown is metrics.hpp's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "supervisor/core/mark.hpp"
#include "supervisor/core/metrics_text.hpp"
#include "supervisor/core/replica.hpp"

namespace pmctl {

// Why the Supervisor started it anew.
enum class RestartCause { Exit, Signal, Checks, StartTimeout, Spawn, PortTaken };
constexpr std::size_t restart_causes = 6;
std::string_view to_text(RestartCause cause);
constexpr std::size_t phases = 7;

struct Tally {
    std::array<std::uint64_t, phases> transitions{};  // into each phase
    std::array<std::uint64_t, restart_causes> restarts{};
    std::uint64_t good_checks = 0;
    std::uint64_t bad_checks = 0;
    Duration wanted{};  // up to `since`
    Duration served{};
    TimePoint since{};
    bool is_wanted = false;
    bool serves = false;
    TimePoint lost_at{};  // healthy no longer while it was wanted; TimePoint{}: it is not missed
};

// Of all replicas, also of those that are gone.
struct Totals {
    DurationHistogram check_latency = check_latency_histogram();
    std::uint64_t updates_done = 0;
    std::uint64_t updates_failed = 0;
    DurationHistogram recovery = recovery_histogram();  // from the loss of health to the next good check
};

// The Running share of the time that it was wanted, up to now: what wanted and served say.
Duration wanted_until(const Tally& tally, TimePoint now);
Duration served_until(const Tally& tally, TimePoint now);

// What is to be marked of an event.
struct Counted {
    bool failed = false;
    std::optional<MarkKind> now;  // Serves, Missed or NotWanted, where it was another one
};

// The replica has become what it is by this event; `before`: its phase then, and its restarts.
Counted count_event(Tally& tally, Totals& totals, const Replica& replica, const ReplicaEvent& event,
                    Phase before, std::uint64_t restarts_before, Now now);

}  // namespace pmctl
