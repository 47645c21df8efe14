#include "supervisor/core/health.hpp"

#include <algorithm>

namespace pmctl {

namespace {

constexpr Duration first_step = std::chrono::milliseconds(5);

}  // namespace

void Streak::add(bool ok) {
    good = ok ? good + 1 : 0;
    bad = ok ? 0 : bad + 1;
}

Duration starting_check_delay(std::uint32_t checks_made, const HealthSettings& settings) {
    Duration step = first_step;
    for (std::uint32_t i = 1; i < checks_made && step < settings.retry_interval; ++i) step += step / 2;
    return std::min(step, settings.retry_interval);
}

Duration steady_check_delay(bool last_ok, bool first, double spread, const HealthSettings& settings) {
    if (!last_ok) return settings.retry_interval;
    if (!first) return settings.interval;
    const auto half = static_cast<double>(settings.interval.count()) / 2;
    return settings.interval - Duration(static_cast<Duration::rep>(half * spread));
}

TimePoint end_of_slot(TimePoint due) {
    const auto rest = due.time_since_epoch() % check_slot;
    return rest == Duration::zero() ? due : due + (check_slot - rest);
}

}  // namespace pmctl
