#include "supervisor/core/group_limits.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace pmctl;

namespace {

SpecPtr with(const LimitSettings& limits) {
    auto spec = std::make_shared<InstanceSpec>();
    spec->process.limits = limits;
    return spec;
}

using Limits = std::map<std::string, std::string>;

}  // namespace

TEST_CASE("What is asked for and not to be had is named, and nothing else") {
    const GroupLimits none{.why_not = "it is not there"};
    const GroupLimits memory_only{.memory = true, .why_not = "the rest is not there"};
    const GroupLimits all{true, true, true, ""};
    const std::vector<SpecPtr> asking{with({.memory = 1 << 20, .tasks = 5}), with({.cpu = 0.5}), with({})};
    CHECK(limits_missing(asking, none) ==
          "limits of memory, cpu and tasks are not in force: it is not there");
    CHECK(limits_missing(asking, memory_only) ==
          "limits of cpu and tasks are not in force: the rest is not there");
    CHECK(limits_missing(asking, all).empty());
    CHECK(limits_missing({with({.cpu = 0.5})}, none) == "limits of cpu are not in force: it is not there");
    CHECK(limits_missing({with({.open_files = 100})}, none).empty());
    CHECK(limits_missing({}, none).empty());
}

TEST_CASE("What is in force is told as it is written") {
    const LimitSettings limits{
        .open_files = 512, .core_size = 0, .memory = 64 << 20, .cpu = 1.5, .tasks = 10};
    CHECK(limits_in_force(limits, {}) == Limits{{"open_files", "512"}, {"core_size", "0B"}});
    CHECK(limits_in_force(limits, {.cpu = true}) ==
          Limits{{"open_files", "512"}, {"core_size", "0B"}, {"cpu", "1.5"}});
    CHECK(limits_in_force({.memory = 64 << 20, .cpu = 2.0, .tasks = 10}, {true, true, true, ""}) ==
          Limits{{"memory", "64MiB"}, {"cpu", "2"}, {"tasks", "10"}});
    CHECK(limits_in_force({}, {true, true, true, ""}).empty());
}
