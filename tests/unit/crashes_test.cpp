#include "cli/crashes.hpp"

#include <doctest/doctest.h>

#include <csignal>

using namespace pmctl;

namespace {

// wait(2) encodes them so on Linux.
constexpr int exited(int code) {
    return code << 8;
}
constexpr int killed(int signal) {
    return signal;
}

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint at(Duration since_boot) {
    return TimePoint(since_boot);
}

}  // namespace

TEST_CASE("what is a crash of the supervisor") {
    CHECK(is_crash(killed(SIGKILL), false));
    CHECK(is_crash(killed(SIGSEGV), true));
    CHECK(is_crash(exited(1), false));
    CHECK_FALSE(is_crash(exited(0), false));
    CHECK_FALSE(is_crash(exited(0), true));
    CHECK_FALSE(is_crash(exited(1), true));  // all had stopped by then
    CHECK_FALSE(is_crash(killed(SIGTERM), false));
}

TEST_CASE("its end in words") {
    CHECK(words_on_end(killed(SIGKILL)) == "was killed by signal 9 (SIGKILL)");
    CHECK(words_on_end(killed(SIGABRT) | 0x80) == "was killed by signal 6 (SIGABRT)");  // with a core file
    CHECK(words_on_end(killed(SIGRTMIN)) == "was killed by signal " + std::to_string(SIGRTMIN));
    CHECK(words_on_end(exited(3)) == "ended with status 3");
}

TEST_CASE("the first crash costs no wait, the fifth within a minute is the last") {
    Crashes crashes;
    CHECK(crashes.add(at(seconds(100))) == Duration::zero());
    CHECK(crashes.add(at(seconds(110))) == milliseconds(500));
    CHECK(crashes.add(at(seconds(120))) == seconds(1));
    CHECK(crashes.add(at(seconds(130))) == seconds(2));
    CHECK(crashes.add(at(seconds(159))) == std::nullopt);
}

TEST_CASE("crashes that are far apart never end it") {
    Crashes crashes;
    for (int hour = 1; hour < 20; ++hour) {
        CHECK(crashes.add(at(std::chrono::hours(hour))) == Duration::zero());
    }
}

TEST_CASE("only those of the last minute count") {
    Crashes crashes;
    crashes.add(at(seconds(100)));
    crashes.add(at(seconds(101)));
    CHECK(crashes.add(at(seconds(160))) == milliseconds(500));  // with the one at 101
    CHECK(crashes.add(at(seconds(161))) == milliseconds(500));  // with the one at 160
}
