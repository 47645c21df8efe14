#include "supervisor/journal.hpp"

#include <doctest/doctest.h>

using namespace pmctl;

namespace {

bool any(const Event&) {
    return true;
}

std::vector<std::uint64_t> numbers(const std::vector<const Event*>& events) {
    std::vector<std::uint64_t> found;
    for (const Event* each : events) found.push_back(each->number);
    return found;
}

}  // namespace

TEST_CASE("numbers go on after those of an earlier supervisor") {
    Journal fresh({}, 1);
    CHECK(fresh.last_number() == 0);
    CHECK(fresh.add({}, "web", "state", "x").number == 1);
    Journal later({Event{7, {}, "web", "state", "old"}}, 1);
    CHECK(later.add({}, "web", "state", "x").number == 8);
    Journal ahead({Event{7, {}, "web", "state", "old"}}, 20);
    CHECK(ahead.add({}, "web", "state", "x").number == 20);
}

TEST_CASE("what comes after a cursor, oldest first, as many as are asked for") {
    Journal journal({}, 1);
    for (int i = 1; i <= 10; ++i) journal.add({}, i % 2 == 0 ? "even" : "odd", "state", std::to_string(i));
    CHECK(numbers(journal.after(0, 3, false, any)) == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(numbers(journal.after(7, 100, false, any)) == std::vector<std::uint64_t>{8, 9, 10});
    CHECK(numbers(journal.after(0, 3, true, any)) == std::vector<std::uint64_t>{8, 9, 10});
    CHECK(numbers(journal.after(9, 3, true, any)) == std::vector<std::uint64_t>{10});
    CHECK(journal.after(10, 3, false, any).empty());
    CHECK(journal.after(99, 3, true, any).empty());
    CHECK(journal.after(0, 0, true, any).empty());
    const auto even = [](const Event& event) { return event.name == "even"; };
    CHECK(numbers(journal.after(3, 2, false, even)) == std::vector<std::uint64_t>{4, 6});
    CHECK(numbers(journal.after(0, 2, true, even)) == std::vector<std::uint64_t>{8, 10});
}

TEST_CASE("the memory is bounded and the last ones stay") {
    Journal journal({}, 1);
    for (int i = 0; i < 20'000; ++i) journal.add({}, "web", "state", "x");
    CHECK(journal.events().size() <= 5000);
    CHECK(journal.events().back().number == 20'000);
    CHECK(journal.after(0, 1, false, any).front()->number == journal.events().front().number);
}
