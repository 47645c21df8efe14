#include "supervisor/core/order.hpp"

#include <doctest/doctest.h>

using namespace pmctl;

namespace {

SpecPtr spec(std::string id, std::vector<std::string> depends_on = {}) {
    auto made = std::make_shared<InstanceSpec>();
    made->id = std::move(id);
    made->policy.depends_on = std::move(depends_on);
    return made;
}

std::string cycles(const std::vector<SpecPtr>& specs) {
    std::string text;
    for (const auto& cycle : find_cycles(order_of(specs)))
        text += (text.empty() ? "" : "; ") + path_text(cycle);
    return text;
}

}  // namespace

TEST_CASE("dependencies and dependents are direct ones, each once and sorted") {
    const Order order = order_of({spec("a"), spec("b", {"a", "a"}), spec("c", {"b", "a", "nobody"})});
    CHECK(order.dependencies.at("b") == std::vector<std::string>{"a"});
    CHECK(order.dependencies.at("c") == std::vector<std::string>{"a", "b"});
    CHECK(order.dependents.at("a") == std::vector<std::string>{"b", "c"});
    CHECK(order.dependents.at("b") == std::vector<std::string>{"c"});
    CHECK_FALSE(order.dependencies.contains("a"));
    CHECK_FALSE(order.dependents.contains("nobody"));
}

TEST_CASE("circles are named as a path that ends where it begins") {
    CHECK(cycles({spec("a", {"b"}), spec("b", {"a"})}) == "a → b → a");
    CHECK(cycles({spec("a", {"a"})}) == "a → a");
    CHECK(cycles({spec("a", {"b"}), spec("b", {"c"}), spec("c", {"d"}), spec("d", {"b"})}) ==
          "b → c → d → b");
    CHECK(cycles({spec("a", {"b"}), spec("b", {"a"}), spec("x", {"y"}), spec("y", {"x"})}) ==
          "a → b → a; x → y → x");
}

TEST_CASE("who is in a circle is in one knot with the others of it, and nobody else is") {
    const auto knots = [](const std::vector<SpecPtr>& specs) {
        std::string text;
        for (const auto& knot : find_knots(order_of(specs))) {
            for (const std::string& id : knot) text += id;
            text += " ";
        }
        return text;
    };
    CHECK(knots({spec("a", {"a"}), spec("b", {"a"}), spec("c")}) == "a ");
    CHECK(knots({spec("a", {"b"}), spec("b", {"c", "d"}), spec("c", {"a"}), spec("d", {"e"}),
                 spec("e", {"d"}), spec("x", {"a", "d"})}) == "de abc ");
    // Two circles that share one, and a way between two circles.
    CHECK(knots({spec("a", {"b", "c"}), spec("b", {"a"}), spec("c", {"a"})}) == "abc ");
    CHECK(knots({spec("a", {"b"}), spec("b", {"a", "m"}), spec("m", {"y"}), spec("y", {"z"}),
                 spec("z", {"y"})}) == "yz ab ");
    // s2 → e1 → s → s2, and e2 on a second way: a search that names one circle would miss it.
    CHECK(knots({spec("e1", {"s"}), spec("e2", {"s"}), spec("s", {"t"}), spec("t", {"e1", "e2"})}) ==
          "e1e2st ");
    CHECK(knots({spec("a"), spec("b", {"a"}), spec("c", {"a"}), spec("d", {"b", "c"})}).empty());
}

TEST_CASE("two ways to one instance are no circle") {
    CHECK(cycles({spec("a"), spec("b", {"a"}), spec("c", {"a"}), spec("d", {"b", "c"})}).empty());
}

TEST_CASE("a chain of 100,000 is followed without recursion") {
    std::vector<SpecPtr> specs = {spec("100000")};
    for (int i = 100001; i < 200000; ++i) specs.push_back(spec(std::to_string(i), {std::to_string(i - 1)}));
    CHECK(find_cycles(order_of(specs)).empty());
    specs.front() = spec("100000", {"199999"});
    const auto found = find_cycles(order_of(specs));
    REQUIRE(found.size() == 1);
    CHECK(found.front().size() == 100001);
    CHECK(find_knots(order_of(specs)).front().size() == 100000);
}
