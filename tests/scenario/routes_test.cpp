#include "tests/scenario/world.hpp"

namespace pmctl::test {

namespace {

InstanceSpec served(const std::string& id) {
    InstanceSpec spec = service(id);
    spec.hostnames = {id + ".test"};
    return spec;
}

InstanceSpec asked_for(const std::string& id, Duration idle = 0s) {
    InstanceSpec spec = served(id);
    spec.policy.on_demand = true;
    spec.policy.idle_timeout = idle;
    return spec;
}

// As a client sees it: its port; 0: 503, -1: 404.
int ask(World& world, const std::string& host) {
    const RouteAnswer answer = world.supervisor().ask_route(host, world.now());
    if (answer.found.hostname == nullptr) return -1;
    return answer.found.upstream == nullptr ? 0 : answer.found.upstream->port;
}

}  // namespace

TEST_CASE("A host is known from the configuration on, and served while its run is Running") {
    World world;
    world.app("web").healthy_after = 100ms;
    world.apply({served("web")});
    CHECK(ask(world, "web.test") == 0);
    CHECK(ask(world, "other.test") == -1);
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(ask(world, "web.test") == world.effects.process("web")->port);
}

TEST_CASE("What crashes, fails its checks or is stopped leaves the routes at once, and comes back") {
    World world;
    world.app("web").healthy_after = 100ms;
    world.apply({served("web")});
    REQUIRE(world.run_until_phase("web", Phase::Running));

    std::uint64_t before = world.supervisor().routes().generation();
    world.kill("web");
    CHECK(ask(world, "web.test") == 0);
    CHECK(world.supervisor().routes().generation() > before);
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(ask(world, "web.test") == world.effects.process("web")->port);

    world.app("web").sick = {{world.time(), world.time() + 7s}};
    REQUIRE(world.run_until_phase("web", Phase::Unhealthy));
    CHECK(ask(world, "web.test") == 0);
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(ask(world, "web.test") > 0);

    world.app("web").stop_takes = 1s;
    world.stop({"web"});
    CHECK(world.phase("web") == Phase::Stopping);
    CHECK(ask(world, "web.test") == 0);
    world.start({"web"});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.restart({"web"});
    CHECK(ask(world, "web.test") == 0);
}

TEST_CASE("One whose stop waits for its dependents is no longer given out") {
    World world;
    world.app("web").stop_takes = 5s;
    world.apply({served("db"), needing(served("web"), {"db"})});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.stop({"db", "web"});
    CHECK(world.phase("db") == Phase::Running);
    CHECK(ask(world, "db.test") == 0);
}

TEST_CASE("A reload moves hostnames without touching a process, and forgets those that go") {
    World world;
    world.apply({served("web"), served("old")});
    REQUIRE(world.run_until_phase("old", Phase::Running));
    REQUIRE(world.run_until_phase("web", Phase::Running));
    const int port = ask(world, "web.test");
    InstanceSpec web = served("web");
    web.hostnames = {"old.test", "new.test"};
    world.apply({web});
    CHECK(ask(world, "old.test") == port);
    CHECK(ask(world, "new.test") == port);
    CHECK(ask(world, "web.test") == -1);
    CHECK(world.effects.starts("web") == 1);
    world.run_for(20s);
    CHECK(ask(world, "old.test") == port);
}

TEST_CASE("One that is disabled does not answer for a hostname that another one has") {
    World world;
    InstanceSpec green = served("green");
    green.hostnames = {"blue.test", "green.test"};
    green.enabled = false;
    world.apply({served("blue"), green});
    REQUIRE(world.run_until_phase("blue", Phase::Running));
    CHECK(ask(world, "blue.test") == world.effects.process("blue")->port);
    CHECK(ask(world, "green.test") == 0);
    const auto generation = world.supervisor().routes().generation();
    world.apply({served("blue"), green});
    CHECK(world.supervisor().routes().generation() == generation);
    // Blue and green change places.
    InstanceSpec blue = served("blue");
    blue.enabled = false;
    green.enabled = true;
    world.apply({blue, green});
    REQUIRE(world.run_until_phase("green", Phase::Running));
    CHECK(ask(world, "blue.test") == world.effects.process("green")->port);
}

TEST_CASE("Replicas take turns, and what is scaled away leaves") {
    World world;
    InstanceSpec web = served("web");
    web.replicas = 3;
    world.apply({web});
    REQUIRE(world.run_until_phase("web:2", Phase::Running));
    std::set<int> ports;
    for (int i = 0; i < 3; ++i) ports.insert(ask(world, "web.test"));
    CHECK(ports.size() == 3);
    world.scale("web", 1);
    const int only = world.effects.process("web")->port;
    for (int i = 0; i < 3; ++i) CHECK(ask(world, "web.test") == only);
    world.run_for(10s);
    REQUIRE(world.supervisor().routes().rows().size() == 1);
    CHECK(world.supervisor().routes().rows()[0].upstreams[0].name == "web");
    world.scale("web", 0);
    CHECK(ask(world, "web.test") == 0);
}

TEST_CASE("A thousand questions at once start an instance on demand once") {
    World world;
    world.app("web").healthy_after = 2s;
    world.apply({asked_for("web")});
    world.run_for(10s);
    CHECK(world.effects.starts("web") == 0);
    for (int i = 0; i < 1000; ++i) {
        const RouteAnswer answer = world.supervisor().ask_route("web.test", world.now());
        CHECK(answer.found.upstream == nullptr);
        CHECK(answer.hold_until == world.now().steady + 60s);
    }
    CHECK(world.effects.starts("web") == 1);
    CHECK(world.member("web").replica.wanted_reason == "asked for by a route query");
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(ask(world, "web.test") == world.effects.process("web")->port);
    world.run_for(1h);
    CHECK(world.phase("web") == Phase::Running);  // idle_timeout = "0s"
    CHECK(world.effects.starts("web") == 1);
}

TEST_CASE("Who asks for what does not get healthy waits for startup_timeout at the longest") {
    World world;
    world.app("web").healthy_after = 10h;
    world.apply({asked_for("web")});
    const TimePoint begin = world.now().steady;
    CHECK(world.supervisor().ask_route("web.test", world.now()).hold_until == begin + 60s);
    world.run_for(59s);
    CHECK(world.supervisor().ask_route("web.test", world.now()).hold_until == begin + 60s);
    world.run_for(1s);
    CHECK(world.supervisor().ask_route("web.test", world.now()).hold_until == TimePoint{});
}

TEST_CASE("idle_timeout without a question stops it, and the next question starts it again") {
    World world;
    world.apply({asked_for("web", 1min)});
    world.run_for(2min);
    ask(world, "web.test");
    REQUIRE(world.run_until_phase("web", Phase::Running));
    for (int i = 0; i < 5; ++i) {
        world.run_for(50s);
        CHECK(ask(world, "web.test") > 0);
    }
    const Duration last = world.time();
    REQUIRE(world.run_until_phase("web", Phase::Stopped, 2min));
    CHECK(world.time() - last >= 1min);
    CHECK(world.time() - last < 1min + 1s);
    CHECK(world.reason("web") == "idle: no route query for 1m");
    CHECK(world.supervisor().ask_route("web.test", world.now()).hold_until > world.now().steady);
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(world.effects.starts("web") == 2);
}

TEST_CASE("What was asked for and comes up slowly is not idle meanwhile, unless it takes too long for that") {
    World world;
    world.app("web").healthy_after = 20s;
    world.apply({asked_for("web", 100ms)});
    ask(world, "web.test");
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(world.effects.starts("web") == 1);
    REQUIRE(world.run_until_phase("web", Phase::Stopped, 2s));
    CHECK(world.reason("web") == "idle: no route query for 100ms");

    world.start({"web"});  // as it is by an operator
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(world.effects.starts("web") == 2);
    REQUIRE(world.run_until_phase("web", Phase::Stopped, 2s));

    world.app("web").healthy_after = 10h;
    ask(world, "web.test");
    const Duration asked = world.time();
    REQUIRE(world.run_until_phase("web", Phase::Stopped, 2min));
    CHECK(world.time() - asked >= 60s);
}

TEST_CASE("An operator's stop is not undone by questions, and a start counts as one") {
    World world;
    world.apply({asked_for("web", 1min)});
    world.stop({"web"});
    CHECK(ask(world, "web.test") == 0);
    CHECK(world.supervisor().ask_route("web.test", world.now()).hold_until == TimePoint{});
    CHECK(world.effects.starts("web") == 0);
    world.start({"web"});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.run_for(50s);
    CHECK(world.phase("web") == Phase::Running);
    REQUIRE(world.run_until_phase("web", Phase::Stopped));
    CHECK(world.supervisor().ask_route("web.test", world.now()).hold_until != TimePoint{});
}

TEST_CASE("What it depends on is started with it, and outlives its own idle time while it is needed") {
    World world;
    world.apply({asked_for("db", 30s), needing(asked_for("web", 2min), {"db"})});
    ask(world, "web.test");
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(world.phase("db") == Phase::Running);
    world.run_for(1min);
    CHECK(world.phase("db") == Phase::Running);
    REQUIRE(world.run_until_phase("web", Phase::Stopped, 2min));
    REQUIRE(world.run_until_phase("db", Phase::Stopped, 2min));
}

TEST_CASE("A disabled one, one that is gone and a supervisor that stops start nothing") {
    World world;
    InstanceSpec off = asked_for("off");
    off.enabled = false;
    world.apply({off, asked_for("web", 1min)});
    CHECK(ask(world, "off.test") == 0);
    ask(world, "web.test");
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.apply({off});
    CHECK(ask(world, "web.test") == -1);
    world.run_for(5min);
    CHECK(world.names() == std::vector<std::string>{"off"});
    world.apply({asked_for("web")});
    world.supervisor().finish(false, "the end", world.now());
    CHECK(ask(world, "web.test") == 0);
    CHECK(world.effects.starts("web") == 1);
}

TEST_CASE("A reload that makes a running one on demand gives it its idle time from then on") {
    World world;
    world.apply({served("web")});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.apply({asked_for("web", 1min)});
    world.run_for(50s);
    CHECK(world.phase("web") == Phase::Running);
    REQUIRE(world.run_until_phase("web", Phase::Stopped));
    world.apply({served("web")});
    ask(world, "web.test");
}

}  // namespace pmctl::test
