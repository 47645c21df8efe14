#include "supervisor/core/health.hpp"

#include <doctest/doctest.h>

using namespace pmctl;
using namespace std::chrono_literals;

TEST_CASE("a streak counts in a row") {
    Streak streak;
    for (const bool ok : {true, true, false, false, false}) streak.add(ok);
    CHECK(streak == Streak{0, 3});
    streak.add(true);
    CHECK(streak == Streak{1, 0});
}

TEST_CASE("checks of a starting run begin close together and grow to retry_interval") {
    HealthSettings settings;
    settings.retry_interval = 1s;
    CHECK(starting_check_delay(0, settings) == 5ms);
    CHECK(starting_check_delay(1, settings) == 5ms);
    CHECK(starting_check_delay(2, settings) == 7500us);
    CHECK(starting_check_delay(3, settings) == 11250us);
    Duration before{};
    Duration sum{};
    int within_50ms = 0;
    for (std::uint32_t made = 1; made < 100; ++made) {
        const Duration delay = starting_check_delay(made, settings);
        CHECK(delay >= before);
        CHECK(delay <= 1s);
        before = delay;
        sum += delay;
        if (sum <= 50ms) ++within_50ms;
    }
    CHECK(before == 1s);
    CHECK(within_50ms >= 4);
    CHECK(starting_check_delay(4'000'000'000, settings) == 1s);
    settings.retry_interval = 1ms;
    CHECK(starting_check_delay(1, settings) == 1ms);
}

TEST_CASE("a healthy run is checked every interval, another every retry_interval") {
    HealthSettings settings;
    settings.interval = 10s;
    settings.retry_interval = 2s;
    CHECK(steady_check_delay(true, false, 0.9, settings) == 10s);
    CHECK(steady_check_delay(false, false, 0.9, settings) == 2s);
    CHECK(steady_check_delay(false, true, 0.9, settings) == 2s);
    CHECK(steady_check_delay(true, true, 0, settings) == 10s);
    CHECK(steady_check_delay(true, true, 0.5, settings) == 7500ms);
    CHECK(steady_check_delay(true, true, 0.999999, settings) > 5s);
}

TEST_CASE("due times are put together in slots, never earlier") {
    const TimePoint origin{};
    CHECK(end_of_slot(origin) == origin);
    CHECK(end_of_slot(origin + 1ns) == origin + 20ms);
    CHECK(end_of_slot(origin + 19ms) == origin + 20ms);
    CHECK(end_of_slot(origin + 20ms) == origin + 20ms);
    CHECK(end_of_slot(origin + 12345678ns) == origin + 20ms);
}
