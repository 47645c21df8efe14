#include "supervisor/core/ports.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace pmctl;

namespace {

const PortTable::IsFree all_free = [](std::uint16_t) { return true; };

}  // namespace

TEST_CASE("ports are given out round the range, and a released one rests until the others had their turn") {
    PortTable table({30000, 30003});
    CHECK(table.take("a", all_free) == 30000);
    CHECK(table.take("b", all_free) == 30001);
    table.release(30000);
    CHECK(table.take("c", all_free) == 30002);
    CHECK(table.take("d", all_free) == 30003);
    CHECK(table.take("e", all_free) == 30000);
    CHECK_FALSE(table.take("f", all_free));
    CHECK(table.free_in_range() == 0);
    table.release(30002);
    CHECK(table.take("f", all_free) == 30002);
}

TEST_CASE("a port that somebody else listens on is passed over, and only free ones are asked about") {
    PortTable table({30000, 30003});
    table.take("a", all_free);
    std::set<std::uint16_t> asked;
    const auto taken = table.take("b", [&](std::uint16_t port) {
        asked.insert(port);
        return port == 30002;
    });
    CHECK(taken == 30002);
    CHECK(asked == std::set<std::uint16_t>{30001, 30002});
    asked.clear();
    CHECK_FALSE(table.take("c", [&](std::uint16_t port) {
        asked.insert(port);
        return false;
    }));
    CHECK(asked == std::set<std::uint16_t>{30001, 30003});
    CHECK(table.take("c", all_free) == 30003);
}

TEST_CASE("a fixed port belongs to one owner, in the range and outside") {
    PortTable table({30000, 30001});
    CHECK(table.reserve(8080, "web"));
    CHECK(table.reserve(8080, "web"));
    CHECK_FALSE(table.reserve(8080, "api"));
    CHECK(table.reserve(30000, "web"));
    CHECK(table.free_in_range() == 1);
    CHECK(table.take("b", all_free) == 30001);
    CHECK_FALSE(table.take("c", all_free));
    table.release(30000);
    CHECK(table.take("c", all_free) == 30000);
}

TEST_CASE("a new range leaves what is held where it is") {
    PortTable table({30000, 30001});
    table.take("a", all_free);
    table.set_range({40000, 40001});
    CHECK(table.held().at(30000) == "a");
    CHECK(table.free_in_range() == 2);
    CHECK(table.take("b", all_free) == 40000);
    CHECK(table.in_range(40001));
    CHECK_FALSE(table.in_range(30000));
    table.set_range({40000, 40001});  // the same: the turn goes on
    CHECK(table.take("c", all_free) == 40001);
}

TEST_CASE("the widest range and the narrowest") {
    PortTable one({65535, 65535});
    CHECK(one.take("a", all_free) == 65535);
    CHECK_FALSE(one.take("b", all_free));
    PortTable all({1, 65535});
    CHECK(all.free_in_range() == 65535);
    std::set<std::uint16_t> seen;
    while (const auto port = all.take("a", all_free)) seen.insert(*port);
    CHECK(seen.size() == 65535);
}
