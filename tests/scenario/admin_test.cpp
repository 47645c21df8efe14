// Instances that come from an admin service: what its answers make of the processes.
#include "tests/scenario/fake_admin.hpp"

using namespace pmctl;
using namespace pmctl::test;

TEST_CASE("an entry becomes a process with one event, one fetch and one reconciliation") {
    World world;
    FakeAdmin admin(world);
    world.apply(config_from(usual));
    CHECK(world.effects.starts("db") == 1);  // static instances wait for nobody
    world.run_for(1s);
    const std::size_t fetches = admin.fetches;
    admin.set("web", {{"version", std::string("7")}});
    const Duration before = world.time();
    REQUIRE(world.run_until(1s, [&] { return world.effects.process("web") != nullptr; }));
    CHECK(world.time() - before <= 2ms);  // the poll's way, and the fetch's
    CHECK(admin.fetches == fetches + 1);
    CHECK(world.row("web").origin == "admin");
    CHECK(told(world).back() == "admin event 1: 1 started in 1ms");
    CHECK(told(world, "config").back() == "start: new (admin event 1)");
    CHECK(world.effects.accesses.size() == 1);
    CHECK(world.effects.accesses.front().secret == "s3cr3t");

    admin.set("web", {{"version", std::string("8")}});
    world.run_for(5s);
    CHECK(world.effects.starts("web") == 2);
    CHECK(world.effects.starts("db") == 1);
    admin.remove("web");
    world.run_for(5s);
    CHECK_FALSE(world.has("web"));
    CHECK(was_told(world, "admin event 3: 1 stopped"));
}

TEST_CASE("a quiet hour costs a conditional fetch with each poll, and applies nothing") {
    World world;
    FakeAdmin admin(world);
    admin.has_etags = true;
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(1min);
    const std::size_t whole = admin.whole_fetches;
    const std::size_t fetches = admin.fetches;
    const auto generation = world.supervisor().roster().generation();
    const auto events = told(world).size();
    world.run_for(1h);
    CHECK(admin.whole_fetches == whole);
    CHECK(admin.fetches - fetches <= 73);
    CHECK(world.supervisor().roster().generation() == generation);
    CHECK(told(world).size() == events);
}

TEST_CASE("a thousand events in a second lead to few fetches and few configurations") {
    World world;
    FakeAdmin admin(world);
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(1s);
    const std::size_t fetches = admin.fetches;
    const std::size_t applied = told(world).size();
    for (int i = 0; i < 1000; ++i) {
        admin.set("web" + std::to_string(i % 10));
        world.run_for(1ms);
    }
    world.run_for(5s);
    CHECK(admin.fetches - fetches <= 4);
    CHECK(told(world).size() - applied <= 4);
    CHECK(world.effects.starts("web9") == 1);
    CHECK(world.supervisor().admin()->in_force.event == 1001);
}

TEST_CASE("a reload that changes nothing of it leaves the calls alone") {
    World world;
    FakeAdmin admin(world);
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(10s);
    const std::size_t calls = admin.fetches + admin.polls;
    const auto plan = world.apply(config_from(usual));
    for (const PlanEntry& each : plan) CHECK(each.action == PlanAction::Keep);
    CHECK(plan.size() == 2);  // both sources are counted
    CHECK(admin.fetches + admin.polls == calls);
    CHECK(world.effects.admin_drops == 0);
    CHECK(world.ask<ReloadReply>(ReloadRequest{true}).changes.size() == 2);
}

TEST_CASE("the service is itself an instance: started first, asked where it is, followed where it goes") {
    World world;
    FakeAdmin admin(world);
    admin.set("web");
    world.app("z-admin").healthy_after = 3s;
    std::string text = usual;
    text.replace(text.find("url ="), std::string("url = \"https://admin.internal\"").size(),
                 "instance = \"z-admin\"");
    text +=
        "[instances.z-admin]\ncommand = [\"/srv/admin\", \"${PORT}\"]\nhealth.retry_interval = \"100ms\"\n";
    world.apply(config_from(text));
    CHECK(world.effects.order.front() == "start z-admin");
    CHECK(world.effects.starts("db") == 1);
    world.run_for(2s);
    CHECK(admin.fetches == 0);
    CHECK(world.ask<AdminReply>(AdminRequest{}).mode == "waiting");
    REQUIRE(world.run_until_phase("web", Phase::Running));
    const auto port = world.member("z-admin").place.port;
    CHECK(world.ask<AdminReply>(AdminRequest{}).url == "http://127.0.0.1:" + std::to_string(port));

    // Its port is taken over by a stranger while it is down.
    admin.go_down();
    world.effects.strangers.insert(port);
    world.kill("z-admin");
    CHECK(world.ask<AdminReply>(AdminRequest{}).mode == "waiting");
    REQUIRE(world.run_until_phase("z-admin", Phase::Running));
    admin.up = true;
    const auto other = world.member("z-admin").place.port;
    CHECK(world.ask<AdminReply>(AdminRequest{}).url == "http://127.0.0.1:" + std::to_string(other));
    CHECK(world.phase("web") == Phase::Running);
    CHECK(world.effects.starts("web") == 1);
    admin.only_at = "http://127.0.0.1:" + std::to_string(other);
    world.run_for(5s);
    admin.set("late");
    CHECK(world.run_until(3ms, [&] { return world.effects.process("late") != nullptr; }));
}

TEST_CASE("without [admin] the state is forgotten, and its instances go") {
    World world;
    FakeAdmin admin(world);
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(10s);
    world.apply(config_from("[instances.db]\ncommand = [\"/srv/db\"]\nport = \"none\"\n"));
    world.run_for(10s);
    CHECK_FALSE(world.has("web"));
    CHECK(left_by(world).admin == nullptr);
    const std::size_t calls = admin.fetches + admin.polls;
    world.run_for(1h);
    CHECK(admin.fetches + admin.polls == calls);
    CHECK(world.refusal(AdminRequest{}).message == "no [admin] in /etc/pmctl/pmctl.toml");
}

TEST_CASE("a scaling survives an event, and ends with a reload") {
    World world;
    FakeAdmin admin(world);
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(10s);
    world.scale("web", 3);
    world.run_for(5s);
    CHECK(world.has("web:2"));
    admin.set("other");
    world.run_for(5s);
    CHECK(world.has("other"));
    CHECK(world.phase("web:2") == Phase::Running);
    CHECK(world.effects.starts("web") == 1);
    world.apply(config_from(usual));
    world.run_for(20s);
    CHECK(world.has("web"));
    CHECK_FALSE(world.has("web:2"));
}

TEST_CASE("an operator's stop of an instance outlasts the service's events") {
    World world;
    FakeAdmin admin(world);
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(5s);
    world.stop({"web"});
    world.run_for(5s);
    admin.set("web", {{"version", std::string("2")}});
    world.run_for(5s);
    CHECK(world.phase("web") == Phase::Stopped);
    CHECK(world.effects.starts("web") == 1);
}

TEST_CASE("an override in the file stands over the service, and gives its value back when it goes") {
    World world;
    FakeAdmin admin(world);
    admin.set("web", {{"hostname", std::vector<std::string>{"web.localhost"}}});
    const std::string overridden = usual + "[instances.web]\nhostname = \"mine.localhost\"\n";
    world.apply(config_from(overridden));
    world.run_for(5s);
    CHECK(world.row("web").hostnames == std::vector<std::string>{"mine.localhost"});
    CHECK(world.row("web").origin == "both");
    world.apply(config_from(usual));
    CHECK(world.row("web").hostnames == std::vector<std::string>{"web.localhost"});
    CHECK(world.row("web").origin == "admin");
    const auto values = world.ask<ConfigReply>(ConfigRequest{"web", false}).values;
    bool found = false;
    for (const ConfigValue& each : values)
        found = found || (each.key == "instances.web.hostname" && each.source == "admin event 1");
    CHECK(found);
    CHECK(world.effects.starts("web") == 1);
}

TEST_CASE("pmctl up NAME keeps what the service names later still, too, until a reload") {
    Inheritance left;
    left.only = {"db"};
    World world(std::move(left));
    FakeAdmin admin(world);
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(5s);
    CHECK(world.phase("web") == Phase::Stopped);
    CHECK(world.phase("db") == Phase::Running);
    world.start({"web"});
    world.run_for(1s);
    CHECK(world.phase("web") == Phase::Running);
}

TEST_CASE("what pmctl admin says of a service that is well") {
    World world;
    FakeAdmin admin(world);
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(5s);
    const auto reply = world.ask<AdminReply>(AdminRequest{});
    CHECK(reply.url == "https://admin.internal");
    CHECK(reply.instance.empty());
    CHECK(reply.mode == "poll");
    CHECK(reply.event == 1);
    CHECK(reply.instances == 1);
    CHECK(reply.succeeded_at.has_value());
    CHECK_FALSE(reply.failing_since.has_value());
    CHECK(reply.failures == 0);
    CHECK(reply.applied == 1);
    CHECK(reply.latency == 1ms);
    CHECK(reply.longest_latency == 1ms);
}

TEST_CASE("a supervisor that stops asks no more, and applies no more") {
    World world;
    FakeAdmin admin(world);
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(5s);
    world.app("web").stop_takes = 5s;
    world.supervisor().finish(false, "enough", world.now());
    const std::size_t calls = admin.fetches + admin.polls;
    admin.set("late");
    world.run_for(10s);
    CHECK(world.effects.is_finished);
    CHECK(admin.fetches + admin.polls == calls);
    CHECK(world.effects.starts("late") == 0);
}
