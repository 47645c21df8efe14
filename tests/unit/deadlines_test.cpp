#include "supervisor/io/deadlines.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <random>
#include <stdexcept>

using namespace pmctl;

namespace {

struct DeadlineTest {
    Loop loop{[this](const std::string&) { ++bugs; }};
    std::vector<std::uint64_t> met;
    std::size_t wanted = 0;
    int bugs = 0;
    std::function<void(std::uint64_t)> also = [](std::uint64_t) {};
    Deadlines deadlines{loop, [this](std::uint64_t number) {
                            met.push_back(number);
                            if (met.size() == wanted) loop.stop();
                            also(number);
                        }};

    void run_until(std::size_t count) {
        wanted = count;
        Timer cap(loop, [this] { loop.stop(); });
        cap.set(Loop::now().steady + std::chrono::seconds(30));
        loop.run();
        REQUIRE(met.size() == count);
    }
};

}  // namespace

TEST_CASE("deadlines are met in order, but for those that were cleared or moved") {
    DeadlineTest test;
    std::mt19937 random(3);
    std::deque<Deadline> all;
    std::map<std::uint64_t, TimePoint> expected;
    const TimePoint now = Loop::now().steady;
    for (std::uint64_t number = 0; number < 500; ++number) all.emplace_back(number);
    for (int step = 0; step < 5000; ++step) {
        const std::uint64_t number = random() % all.size();
        if (random() % 3 == 0) {
            test.deadlines.clear(all[number]);
            expected.erase(number);
        } else {
            // All different, and past already: only their order counts.
            expected[number] = now - Duration((random() % 1'000'000) * 10'000 + static_cast<unsigned>(step));
            test.deadlines.set(all[number], expected[number]);
        }
    }
    test.run_until(expected.size());
    for (std::size_t i = 1; i < test.met.size(); ++i)
        CHECK(expected.at(test.met[i - 1]) < expected.at(test.met[i]));
}

TEST_CASE("one that is met may be set again, and may clear another") {
    DeadlineTest test;
    Deadline first(1);
    Deadline second(2);
    test.also = [&](std::uint64_t number) {
        test.deadlines.clear(second);
        if (number == 1 && test.met.size() < 3)
            test.deadlines.set(first, Loop::now().steady + std::chrono::milliseconds(1));
    };
    test.deadlines.set(second, Loop::now().steady);
    test.deadlines.set(first, TimePoint{});
    test.run_until(3);
    CHECK(test.met == std::vector<std::uint64_t>{1, 1, 1});
}

TEST_CASE("a callback that throws leaves the others their timer") {
    DeadlineTest test;
    Deadline first(1);
    Deadline second(2);
    test.also = [](std::uint64_t number) {
        if (number == 1) throw std::runtime_error("a bug");
    };
    test.deadlines.set(first, TimePoint{});
    test.deadlines.set(second, TimePoint{} + Duration(1));
    test.run_until(2);
    CHECK(test.met == std::vector<std::uint64_t>{1, 2});
    CHECK(test.bugs == 1);
}
