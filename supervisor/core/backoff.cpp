#include "supervisor/core/backoff.hpp"

#include <algorithm>

namespace pmctl {

namespace {

Duration doubled(std::uint32_t doublings, double jitter, const RestartSettings& settings) {
    Duration delay = std::min(settings.backoff_initial, settings.backoff_max);
    while (doublings-- > 0 && delay < settings.backoff_max)
        delay += std::min(delay, settings.backoff_max - delay);
    return delay - Duration(static_cast<Duration::rep>(static_cast<double>(delay.count()) * 0.2 * jitter));
}

}  // namespace

bool circuit_open(std::uint32_t failures, const RestartSettings& settings) {
    return settings.circuit_failures != 0 && failures >= settings.circuit_failures;
}

Duration next_start_delay(std::uint32_t failures, bool was_healthy, double jitter,
                          const RestartSettings& settings) {
    if (circuit_open(failures, settings)) return settings.circuit_cooldown;
    if (failures <= 1 && was_healthy) return Duration::zero();
    return doubled(failures <= 1 ? 0 : failures - (was_healthy ? 2 : 1), jitter, settings);
}

Duration refused_start_delay(std::uint32_t refusals, double jitter, const RestartSettings& settings) {
    return doubled(refusals - 1, jitter, settings);
}

}  // namespace pmctl
