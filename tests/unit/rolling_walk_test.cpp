// Updates, crashes, orders and checks at random.
#include <doctest/doctest.h>

#include <random>

#include "tests/unit/replica_story.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

InstanceSpec version(int number) {
    InstanceSpec spec = service("web");
    spec.process.version = std::to_string(number);
    spec.policy.update.drain = 5s;
    spec.policy.update.timeout = 20s;
    spec.policy.health.startup_timeout = 30s;
    return spec;
}

}  // namespace

TEST_CASE("a random walk with updates: never a second current run, always a served one where one was") {
    std::mt19937_64 random(7);
    const auto dice = [&](std::uint64_t sides) { return random() % sides; };
    for (int walk = 0; walk < 200; ++walk) {
        Story story(version(1));
        story.start_healthy();
        bool failing = false;  // nothing but a failing update happens from then on
        RunNumber served = 0;
        for (int i = 0; i < 60; ++i) {
            story.time += Duration(dice(3'000'000'000));
            if (!failing && story.phase() == Phase::Running && dice(8) == 0) {
                failing = true;
                served = story.replica.run->number;
                story.tell(NewSpec{shared(version(100 + i)), true, {}});
            }
            const auto any_run = [&] { return story.runs == 0 ? 0 : 1 + dice(story.runs); };
            const std::uint64_t sides = failing ? 6 : 14;
            switch (dice(sides)) {
                case 0: story.tell(UpdateTurn{}); break;
                case 1: story.tell(Woke{}); break;
                case 2:
                    if (story.replica.candidate) story.tell(Checked{bad, story.replica.candidate->number});
                    break;
                case 3:
                    if (story.replica.candidate && failing)
                        story.tell(Exited{crash, "", dice(3) == 0, story.replica.candidate->number});
                    break;
                case 4:
                    if (!story.replica.outgoing.empty())
                        story.tell(Exited{success, "", false, story.replica.outgoing.front().number});
                    break;
                case 5: story.tell(MayStart{}); break;
                case 6: story.tell(Checked{dice(4) != 0 ? good : bad, any_run()}); break;
                case 7: story.tell(Exited{crash, "", false, any_run()}); break;
                case 8:
                    story.tell(NewSpec{shared(version(static_cast<int>(dice(4)))), dice(2) == 0, {}});
                    break;
                case 9: story.tell(StopReplica{"stopped by an operator", "", dice(4) == 0, {}}); break;
                case 10: story.tell(StartOrder{}); break;
                case 11: story.tell(RestartOrder{dice(2) == 0, Duration(dice(2) * 5'000'000'000)}); break;
                case 12: story.tell(ResetOrder{}); break;
                default: story.tell(Unrouted{any_run(), story.now().steady}); break;
            }
            const std::string broken = broken_invariant(story.replica);
            if (!broken.empty()) FAIL(broken << " in walk " << walk << ", step " << i);
            if (failing) {
                REQUIRE(story.replica.run->number == served);
                REQUIRE(story.phase() == Phase::Running);
            }
        }
    }
}
