// Ports over the lives of those who hold them.
#include "tests/scenario/world.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

Config narrow(const std::vector<InstanceSpec>& specs, std::uint16_t last = 30001) {
    Config config = config_of(specs);
    config.ports = {30000, last};
    return config;
}

}  // namespace

TEST_CASE("an instance keeps its port through its runs and gives it back when it stops") {
    World world;
    world.apply({service("web")});
    world.run_for(1s);
    const auto port = world.member("web").place.port;
    CHECK(port == 30000);
    world.kill("web");
    world.run_for(1s);
    CHECK(world.member("web").place.port == port);
    world.stop({"web"});
    world.run_for(1s);
    CHECK(world.member("web").place.port == 0);
    CHECK(world.supervisor().ports().held().empty());
    world.start({"web"});
    CHECK(world.member("web").place.port == 30001);
}

TEST_CASE("a port that was stolen between test and bind is answered with another one at once") {
    World world;
    world.app("web").healthy_after = 1h;
    world.app("web").exits_after = 5ms;
    world.apply({service("web")});
    world.effects.strangers = {30000};
    world.run_for(4ms);
    world.app("web").exits_after.reset();
    world.app("web").healthy_after = 0s;
    world.run_for(1ms);
    CHECK(world.phase("web") == Phase::Starting);
    CHECK(world.member("web").place.port == 30001);
    CHECK(world.member("web").replica.failures == 0);
    CHECK(world.supervisor().journal().events().back().text.find("port 30001") != std::string::npos);
    bool named = false;
    for (const Event& event : world.supervisor().journal().events())
        named = named || event.text.find("port 30000 is held by pid 4242 (nginx)") != std::string::npos;
    CHECK(named);
}

TEST_CASE("a program that leaves a listener behind each time does not spin") {
    World world;
    world.app("web").healthy_after = 1h;
    world.app("web").exits_after = 1ms;
    world.apply({service("web")});
    for (int port = 30000; port <= 31000; ++port) {
        world.run_for(900us);
        if (const FakeProcess* process = world.effects.process("web"))
            world.effects.strangers.insert(process->port);
        world.run_for(100us);
    }
    CHECK(world.effects.starts("web") < 20);
}

TEST_CASE("an exhausted range is a state that heals when a port is released, first come first served") {
    World world;
    world.apply(narrow({service("a"), service("b"), service("c"), service("d")}));
    world.run_for(1s);
    CHECK(world.phase("c") == Phase::Failed);
    CHECK(world.reason("c") == "no free port in 30000-30001");
    CHECK(world.reason("d") == "no free port in 30000-30001");
    CHECK(world.row("c").outlook == Outlook::Stuck);
    world.stop({"a"});
    world.run_for(10ms);
    CHECK(world.phase("c") == Phase::Running);
    CHECK(world.phase("d") == Phase::Failed);
    world.stop({"b"});
    world.run_for(10ms);
    CHECK(world.phase("d") == Phase::Running);
    CHECK(world.supervisor().ports().free_in_range() == 0);
}

TEST_CASE("one who no longer waits for a port is in nobody's way") {
    World world;
    world.apply(narrow({service("a"), service("b"), service("c"), service("d")}));
    world.run_for(1s);
    SUBCASE("since it is stopped") {
        world.stop({"c"});
    }
    SUBCASE("since it needs none") {
        world.apply(narrow({service("a"), service("b"), worker("c"), service("d")}));
        CHECK(has_live_run(world.member("c").replica));
    }
    SUBCASE("since it waits for another now") {
        world.apply(
            narrow({service("a"), service("b"), needing(service("c"), {"z"}), service("d"), worker("z")}));
        world.stop({"z"});
        world.run_for(31s);
        CHECK(world.reason("c") == "waits for 'z', which is stopped");
    }
    world.stop({"a"});
    world.run_for(10ms);
    CHECK(world.phase("d") == Phase::Running);
}

TEST_CASE("a wider range serves those who wait") {
    World world;
    const std::vector<InstanceSpec> specs = {service("a"), service("b"), service("c"), service("d")};
    world.apply(narrow(specs));
    world.run_for(1s);
    world.apply(narrow(specs, 30003));
    world.run_for(100ms);
    for (const char* id : {"a", "b", "c", "d"}) CHECK(world.phase(id) == Phase::Running);
    CHECK(world.effects.starts("a") == 1);
}

TEST_CASE("a port is also found when a stranger goes, with nobody to tell") {
    World world;
    world.effects.strangers = {30000, 30001};
    world.apply(narrow({service("a")}));
    CHECK(world.reason("a") == "no free port in 30000-30001");
    world.run_for(10s);
    world.effects.strangers.clear();
    CHECK(world.run_until_phase("a", Phase::Running, 31s));
}

TEST_CASE("a fixed port that a stranger holds is named, and taken when it is free") {
    World world;
    world.effects.strangers = {8080};
    world.apply({with_fixed_port(service("web"), 8080)});
    CHECK(world.phase("web") == Phase::Failed);
    CHECK(world.reason("web") == "port 8080 is held by pid 4242 (nginx); next start in 1s");
    const std::size_t events = world.supervisor().journal().events().size();
    const auto change = world.member("web").change;
    world.run_for(1h);
    CHECK(world.supervisor().journal().events().size() == events);
    CHECK(world.member("web").change > change);  // next_start_at moves on
    CHECK(world.member("web").replica.failures == 0);
    world.effects.strangers.clear();
    CHECK(world.run_until_phase("web", Phase::Running, 2s));
    CHECK(world.member("web").place.port == 8080);
}

TEST_CASE("a fixed port goes from one instance to the next over a reload") {
    World world;
    world.apply({with_fixed_port(service("old"), 8080)});
    world.run_for(1s);
    world.app("old").stop_takes = 3s;
    world.apply({with_fixed_port(service("new"), 8080)});
    CHECK(world.reason("new") == "port 8080 is held by 'old'; next start in 1s");
    CHECK(world.run_until_phase("new", Phase::Running, 5s));
    CHECK_FALSE(world.has("old"));
}

TEST_CASE(
    "a handed-over socket stays open through restarts, and is closed with the instance or the setting") {
    World world;
    InstanceSpec web = with_fixed_port(service("web"), 8080);
    web.process.socket_activation = true;
    world.apply({web});
    world.run_for(1s);
    CHECK(world.effects.spawns["web"].back().listen_port == 8080);
    world.effects.strangers = {8080};  // as the bind test sees our own socket
    world.kill("web");
    world.run_for(1s);
    CHECK(world.phase("web") == Phase::Running);
    CHECK(world.effects.closed_listeners.empty());
    SUBCASE("stopped") {
        world.stop({"web"});
        world.run_for(1s);
    }
    SUBCASE("turned off") {
        world.apply({with_fixed_port(service("web"), 8080)});
        world.run_until(1s, [&] { return world.effects.closed_listeners.contains(8080); });
        world.effects.strangers.clear();
        CHECK(world.run_until_phase("web", Phase::Running, 5s));
        CHECK(world.effects.spawns["web"].back().listen_port == 0);
    }
    CHECK(world.effects.closed_listeners == std::set<std::uint16_t>{8080});
}

TEST_CASE("a port that is still held after its run has ended is told, with who holds it") {
    World world;
    world.apply({service("web")});
    world.run_for(1s);
    world.effects.strangers = {30000};
    world.stop({"web"});
    world.run_for(1s);
    const Event& last = world.supervisor().journal().events().back();
    CHECK(last.name == "web");
    CHECK(last.text == "port 30000 is held by pid 4242 (nginx) although its run has ended");
    CHECK(world.effects.wake == TimePoint::max());
}

TEST_CASE("`ports` lists who holds what") {
    World world;
    world.apply(narrow({service("a"), with_fixed_port(service("b"), 8080), worker("c")}));
    const auto reply = world.ask<PortsReply>(PortsRequest{});
    CHECK(reply.first == 30000);
    CHECK(reply.last == 30001);
    CHECK(reply.free == 1);
    CHECK(reply.ports == std::vector<PortRow>{{8080, "b", "used"}, {30000, "a", "used"}});
}

TEST_CASE("a port that is configured by number is given to nobody else, whoever starts first") {
    World world;
    world.effects.strangers = {};
    Config config = narrow({service("api"), with_fixed_port(service("web"), 30000)});
    world.apply(config);
    world.run_for(1s);
    CHECK(world.member("api").place.port == 30001);
    CHECK(world.phase("web") == Phase::Running);
    CHECK(world.supervisor().ports().free_in_range() == 0);
    // Also while it is stopped.
    world.stop({"web"});
    world.run_for(1s);
    world.stop({"api"});
    world.run_for(1s);
    world.start({"api"});
    CHECK(world.member("api").place.port == 30001);
    CHECK(world.supervisor().ports().free_in_range() == 0);
    // One that has it already parts with it at its next start.
    config = narrow({service("api")});
    world.apply(config);
    world.stop({"api"});
    world.run_for(1s);
    world.start({"api"});
    REQUIRE(world.member("api").place.port == 30000);
    world.apply(narrow({service("api"), with_fixed_port(service("web"), 30000)}));
    world.run_for(5s);
    CHECK(world.reason("web").starts_with("port 30000 is held by 'api'"));
    world.kill("api");
    CHECK(world.run_until_phase("web", Phase::Running, 5s));
    CHECK(world.member("api").place.port == 30001);
}

TEST_CASE("a released port goes to one who waits for it, not to one whose update is over") {
    World world;
    InstanceSpec web = service("web");
    world.apply(narrow({web, service("api")}));
    world.run_for(1s);
    web.process.command = {"/srv/new"};
    web.policy.update.timeout = 10s;
    world.apply(narrow({web, service("api")}));
    world.run_for(15s);
    CHECK(world.row("web").update->state == "failed");
    world.apply(narrow({web, service("api"), service("late")}));
    world.run_for(1s);
    CHECK(world.phase("late") == Phase::Failed);
    world.stop({"api"});
    world.run_for(100ms);
    CHECK(world.phase("late") == Phase::Running);
}
