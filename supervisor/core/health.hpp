// Health checks as numbers: streaks against thresholds, and when the next check is due. What a check is made
// of is io's; what a verdict does to the process is run.hpp's.
#pragma once

#include <cstdint>

#include "supervisor/core/config.hpp"

namespace pmctl {

// Checks in a row with the same outcome. Belongs to one run: it begins anew with the process.
struct Streak {
    std::uint32_t good = 0;
    std::uint32_t bad = 0;

    void add(bool ok);
    bool operator==(const Streak&) const = default;
};

// The checks of a starting run come at growing steps, so that what is ready in 30 ms is seen in under 50 and
// what takes a minute is not hammered: 5 ms after the first, half as long again each time, up to
// retry_interval.
Duration starting_check_delay(std::uint32_t checks_made, const HealthSettings& settings);

// A healthy run is checked every `interval`, another one every `retry_interval`. The first wait after a start
// is shortened by up to half (`spread` in [0, 1)), so that what was started together is not checked together
// for ever.
Duration steady_check_delay(bool last_ok, bool first, double spread, const HealthSettings& settings);

// Due times of steady checks are put together in slots of this length: one wake-up serves all of a slot.
constexpr Duration check_slot = std::chrono::milliseconds(20);
TimePoint end_of_slot(TimePoint due);

}  // namespace pmctl
