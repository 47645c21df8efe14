#include "supervisor/core/reconcile.hpp"

#include <doctest/doctest.h>

#include "tests/scenario/config_builder.hpp"

using namespace pmctl;
using namespace pmctl::test;
using namespace std::chrono_literals;

namespace {

using Scales = std::map<std::string, std::uint32_t>;

std::map<std::string, Actual> actual_of(const std::vector<InstanceSpec>& specs) {
    std::map<std::string, Actual> found;
    for (const SpecPtr& spec : config_of(specs).instances) found[spec->id] = {spec, spec->replicas};
    return found;
}

std::vector<std::string> lines(const std::vector<PlanEntry>& plan) {
    std::vector<std::string> all;
    for (const PlanEntry& each : plan) {
        all.push_back(each.name + " " + std::string(to_text(each.action)) +
                      (each.reason.empty() ? "" : ": " + each.reason));
    }
    return all;
}

std::vector<std::string> plan(const std::vector<InstanceSpec>& before, const std::vector<InstanceSpec>& after,
                              const Scales& scales = {}) {
    return lines(reconcile(config_of(after), actual_of(before), scales));
}

using Lines = std::vector<std::string>;

template <class Change>
InstanceSpec changed(InstanceSpec spec, Change change) {
    change(spec);
    return spec;
}

}  // namespace

TEST_CASE("what is new is started, unless the configuration says no") {
    CHECK(plan({}, {service("web")}) == Lines{"web start: new"});
    CHECK(plan({}, {changed(service("web"), [](auto& s) { s.enabled = false; })}) ==
          Lines{"web keep: new, enabled = false"});
    CHECK(plan({}, {changed(service("web"), [](auto& s) { s.policy.autostart = false; })}) ==
          Lines{"web keep: new, autostart = false"});
    CHECK(plan({}, {changed(service("web"), [](auto& s) { s.policy.on_demand = true; })}) ==
          Lines{"web keep: new, on_demand = true"});
    CHECK(plan({}, {changed(service("web"), [](auto& s) { s.replicas = 2; })}) ==
          Lines{"web:0 start: new", "web:1 start: new"});
    CHECK(plan({}, {changed(service("web"), [](auto& s) { s.replicas = 0; })}).empty());
}

TEST_CASE("what is gone is stopped, what is the same is kept, in the order of the names") {
    CHECK(plan({service("a"), service("c")}, {service("b"), service("c")}) ==
          Lines{"a stop: no longer configured", "b start: new", "c keep"});
    CHECK(plan({service("z")}, {}) == Lines{"z stop: no longer configured"});
}

TEST_CASE("a change of the process replaces, another is applied live, each with its reason") {
    const InstanceSpec web = service("web");
    CHECK(plan({web}, {changed(web, [](auto& s) { s.process.command = {"/srv/new"}; })}) ==
          Lines{R"(web replace: command: ["/srv/app", "--port", "${PORT}"] → ["/srv/new"])"});
    CHECK(plan({web}, {changed(web, [](auto& s) { s.process.env["COLOR"] = "red"; })}) ==
          Lines{"web replace: env.COLOR: (unset) → \"red\""});
    CHECK(plan({web}, {changed(web, [](auto& s) { s.policy.health.interval = 2s; })}) ==
          Lines{"web update: health.interval: \"5s\" → \"2s\""});
    CHECK(plan({web}, {changed(web, [](auto& s) { s.hostnames = {"shop.localhost"}; })})
              .front()
              .starts_with("web update: hostname: "));
    CHECK(plan({web}, {changed(web, [](auto& s) { s.sources = {{"port", 0, 12}}; })}) == Lines{"web keep"});
}

TEST_CASE("three differences are told, the rest is counted, and one that replaces is enough") {
    const auto change = [](auto& s) {
        s.policy.health.interval = 2s;
        s.policy.stop_timeout = 1s;
        s.policy.autostart = false;
        s.policy.health.path = "/";
        s.process.umask = 077;
    };
    const Lines told = plan({service("web")}, {changed(service("web"), change)});
    REQUIRE(told.size() == 1);
    CHECK(told.front().starts_with("web replace: "));
    CHECK(told.front().ends_with(", 2 more"));
}

TEST_CASE("enabled decides alone") {
    const InstanceSpec on = service("web");
    const InstanceSpec off = changed(on, [](auto& s) { s.enabled = false; });
    CHECK(plan({on}, {off}) == Lines{"web stop: enabled = false"});
    CHECK(plan({off}, {on}) == Lines{"web start: enabled: false → true"});
    CHECK(plan({off}, {off}) == Lines{"web keep"});
}

TEST_CASE("replicas come and go, the others stay") {
    const auto copies = [](std::uint32_t number) {
        return changed(service("web"), [&](auto& s) { s.replicas = number; });
    };
    CHECK(plan({copies(1)}, {copies(2)}) == Lines{"web:0 keep", "web:1 start: replicas: 1 → 2"});
    CHECK(plan({copies(2)}, {copies(1)}) == Lines{"web keep", "web:1 stop: replicas: 2 → 1"});
    CHECK(plan({copies(1)}, {copies(0)}) == Lines{"web stop: replicas: 1 → 0"});
    CHECK(plan({copies(0)}, {copies(1)}) == Lines{"web start: replicas: 0 → 1"});
    CHECK(plan({copies(1)}, {copies(1)}, {{"web", 3}}) ==
          Lines{"web:0 keep", "web:1 start: replicas: 1 → 3", "web:2 start: replicas: 1 → 3"});
    CHECK(plan({}, {copies(1)}, {{"web", 2}, {"other", 9}}) == Lines{"web:0 start: new", "web:1 start: new"});
}

TEST_CASE("a plan is as long as what is configured and what is there, also for ten thousand") {
    std::vector<InstanceSpec> before;
    std::vector<InstanceSpec> after;
    for (int i = 0; i < 10'000; ++i) {
        before.push_back(service("app" + std::to_string(i)));
        after.push_back(service("app" + std::to_string(i + 10)));
    }
    CHECK(plan(before, after).size() == 10'010);
}
