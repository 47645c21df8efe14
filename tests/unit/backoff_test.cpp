#include "supervisor/core/backoff.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace pmctl;
using namespace std::chrono_literals;

namespace {

RestartSettings settings() {
    RestartSettings settings;
    settings.backoff_initial = 1s;
    settings.backoff_max = 30s;
    settings.circuit_failures = 8;
    settings.circuit_cooldown = 5min;
    return settings;
}

}  // namespace

TEST_CASE("the delay doubles from backoff_initial to backoff_max, then the circuit opens") {
    struct Row {
        std::uint32_t failures;
        Duration after_health;
        Duration without;
    };
    const Row rows[] = {{1, 0s, 1s},   {2, 1s, 2s},   {3, 2s, 4s},     {4, 4s, 8s},     {5, 8s, 16s},
                        {6, 16s, 30s}, {7, 30s, 30s}, {8, 5min, 5min}, {9, 5min, 5min}, {1000, 5min, 5min}};
    for (const Row& row : rows) {
        CAPTURE(row.failures);
        CHECK(next_start_delay(row.failures, true, 0, settings()) == row.after_health);
        CHECK(next_start_delay(row.failures, false, 0, settings()) == row.without);
    }
}

TEST_CASE("a start that is refused waits as long as one that fails, but opens no circuit") {
    CHECK(refused_start_delay(1, 0, settings()) == 1s);
    CHECK(refused_start_delay(3, 0, settings()) == 4s);
    CHECK(refused_start_delay(3, 0.5, settings()) == 3600ms);
    CHECK(refused_start_delay(1000, 0, settings()) == 30s);
}

TEST_CASE("jitter takes up to a fifth of a delay and nothing of the cool-down") {
    CHECK(next_start_delay(3, true, 0.5, settings()) == 1800ms);
    CHECK(next_start_delay(3, true, 0.999999, settings()) > 1600ms);
    CHECK(next_start_delay(8, true, 0.999999, settings()) == 5min);
}

TEST_CASE("without a circuit the delay stays at its cap, however many failures there are") {
    RestartSettings never = settings();
    never.circuit_failures = 0;
    CHECK_FALSE(circuit_open(std::numeric_limits<std::uint32_t>::max(), never));
    CHECK(next_start_delay(std::numeric_limits<std::uint32_t>::max(), true, 0, never) == 30s);
    CHECK(next_start_delay(std::numeric_limits<std::uint32_t>::max(), false, 0, never) == 30s);
    never.backoff_max = Duration::max();
    CHECK(next_start_delay(std::numeric_limits<std::uint32_t>::max(), false, 0, never) == Duration::max());
}

TEST_CASE("the circuit opens at circuit_failures") {
    CHECK_FALSE(circuit_open(7, settings()));
    CHECK(circuit_open(8, settings()));
    CHECK(circuit_open(9, settings()));
    RestartSettings first = settings();
    first.circuit_failures = 1;
    CHECK(next_start_delay(1, true, 0, first) == 5min);
}
