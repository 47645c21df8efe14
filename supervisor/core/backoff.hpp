// When the next start is due after a failure. One budget for crashes, failed starts and failed checks; who
// counts is replica.hpp.
#pragma once

#include <cstdint>

#include "supervisor/core/config.hpp"

namespace pmctl {

// `failures` in a row, this one included (so at least 1); `was_healthy`: the run that failed had been.
//
//   1st after a healthy run   at once
//   n-th                      min(backoff_max, backoff_initial * 2^(n-2)), for a start that failed 2^(n-1)
//   circuit_failures-th       circuit_cooldown: the circuit is open; the start after it is the trial
//
// less up to a fifth by `jitter` in [0, 1), so that what fell together does not rise together. The cool-down
// is not shortened. circuit_failures = 0: the circuit never opens.
Duration next_start_delay(std::uint32_t failures, bool was_healthy, double jitter,
                          const RestartSettings& settings);

// After a start that the machine refused (no process, memory, descriptor), `refusals` in a row, this one
// included: as for starts that fail, but no circuit opens.
Duration refused_start_delay(std::uint32_t refusals, double jitter, const RestartSettings& settings);

// The budget is used up: no start but one trial after each cool-down, until a run stays healthy for
// reset_after.
bool circuit_open(std::uint32_t failures, const RestartSettings& settings);

}  // namespace pmctl
