// An admin service that is silent, gone, refuses, forgets or removes too much, and what stays in force then.
#include "tests/scenario/fake_admin.hpp"

using namespace pmctl;
using namespace pmctl::test;

TEST_CASE("an outage of hours changes nothing, and ends without a human") {
    World world;
    FakeAdmin admin(world);
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(10s);
    admin.go_down();
    world.run_for(3h);
    CHECK(world.phase("web") == Phase::Running);
    CHECK(world.effects.starts("web") == 1);
    std::vector<std::string> texts = told(world);
    REQUIRE(texts.size() == 2);
    CHECK(texts.back() ==
          "admin service unreachable (connection refused): the last good state stays in force");
    const auto outage = world.ask<StatusReply>(StatusRequest{}).admin;
    CHECK(world.ask<AdminReply>(AdminRequest{}).mode == "poll");
    CHECK(world.ask<AdminReply>(AdminRequest{}).failures > 300);
    REQUIRE(outage.has_value());
    CHECK(outage->why == "connection refused");
    REQUIRE(outage->state_of.has_value());
    CHECK(*outage->since > *outage->state_of);
    CHECK(world.supervisor().admin()->fetch.failures > 300);

    admin.up = true;
    admin.put("late");
    ++admin.newest;
    REQUIRE(world.run_until(31s, [&] { return world.effects.process("late") != nullptr; }));
    CHECK(was_told(world, "admin service answers again after 3h"));
    CHECK_FALSE(world.ask<StatusReply>(StatusRequest{}).admin.has_value());
    world.run_for(1s);
    admin.set("later");  // and events come as before
    CHECK(world.run_until(3ms, [&] { return world.effects.process("later") != nullptr; }));
}

TEST_CASE("a service that comes and goes is neither a hot loop nor a cause of restarts") {
    World world;
    FakeAdmin admin(world);
    admin.set("web");
    world.apply(config_from(usual));
    for (int i = 0; i < 200; ++i) {
        world.run_for(3s);
        admin.go_down();
        world.run_for(3s);
        admin.up = true;
    }
    CHECK(admin.fetches + admin.polls < 200 * 12);
    CHECK(world.effects.starts("web") == 1);
}

TEST_CASE("a service whose store was reset is taken as it is") {
    World world;
    FakeAdmin admin(world);
    admin.newest = 41;
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(10s);
    CHECK(world.supervisor().admin()->in_force.event == 42);
    admin.go_down();
    world.run_for(10s);
    admin.up = true;
    admin.newest = 3;
    admin.put("new");
    world.run_for(40s);
    CHECK(was_told(world, "went back from 42 to 3"));
    CHECK(world.phase("new") == Phase::Running);
    CHECK(world.effects.starts("web") == 1);
    admin.set("newer");
    CHECK(world.run_until(3ms, [&] { return world.effects.process("newer") != nullptr; }));
}

TEST_CASE("a mass removal waits for its repetition") {
    const auto with_six = [](World& world, FakeAdmin& admin, const std::string& config) {
        for (const char* id : {"a", "b", "c", "d", "e", "f"}) admin.set(id);
        world.apply(config_from(config));
        world.run_for(10s);
        admin.entries.clear();
        admin.publish();
        world.run_for(100ms);
    };
    SUBCASE("confirm: repeated") {
        World world;
        FakeAdmin admin(world);
        with_six(world, admin, usual);
        CHECK(world.phase("a") == Phase::Running);
        CHECK(was_told(world, "removes 6 of 6 instances at once"));
        world.run_for(10s);
        CHECK_FALSE(world.has("a"));
        CHECK(world.has("db"));
    }
    SUBCASE("confirm: not repeated") {
        World world;
        FakeAdmin admin(world);
        with_six(world, admin, usual);
        for (const char* id : {"a", "b", "c", "d", "e", "f"}) admin.put(id);
        world.run_for(10s);
        CHECK(world.effects.starts("a") == 1);
        CHECK(world.phase("a") == Phase::Running);
        CHECK(was_told(world, "they are there again"));
    }
    SUBCASE("obey") {
        World world;
        FakeAdmin admin(world);
        std::string text = usual;
        text.insert(text.find("[apps"), "mass_removal = \"obey\"\n");
        with_six(world, admin, text);
        CHECK_FALSE(world.has("a"));
    }
}

TEST_CASE("a wrong secret is told once and tried slowly, and the right one at once after a reload") {
    World world;
    FakeAdmin admin(world);
    admin.refuses = true;
    admin.set("web");
    world.apply(config_from(usual));
    world.run_for(1h);
    CHECK(told(world).size() == 1);
    CHECK(was_told(world, "refuses the secret (HTTP 401)"));
    CHECK(admin.fetches + admin.polls <= 242);
    CHECK(world.ask<StatusReply>(StatusRequest{}).admin->refused);
    admin.refuses = false;
    Texts texts{{{"/etc/pmctl/pmctl.toml", usual}}, {}};
    texts.admin_files.secret = std::string("other");
    world.apply(*load(texts).config);
    CHECK(world.effects.accesses.back().secret == "other");
    CHECK(world.run_until(2ms, [&] { return world.effects.process("web") != nullptr; }));
}

TEST_CASE("a service without a poll is fetched by the interval with its ETag") {
    World world;
    FakeAdmin admin(world);
    admin.has_poll = false;
    admin.has_etags = true;
    world.apply(config_from(usual));
    world.run_for(10s);
    const std::size_t whole = admin.whole_fetches;
    admin.set("web");
    CHECK(world.run_until(5100ms, [&] { return world.effects.process("web") != nullptr; }));
    CHECK(admin.whole_fetches == whole);
    CHECK(world.ask<AdminReply>(AdminRequest{}).mode == "interval");
    world.run_for(1h);
    CHECK(world.effects.starts("web") == 1);
    CHECK(was_told(world, "no poll (HTTP 404): fetched every 5s"));
}

TEST_CASE("a supervisor that starts while the service is down has the state of the one before") {
    Inheritance left;
    {
        World world;
        FakeAdmin admin(world);
        admin.set("web");
        admin.set("api");
        world.apply(config_from(usual));
        world.run_for(10s);
        left = left_by(world);
    }
    REQUIRE(left.admin != nullptr);
    CHECK(left.admin->entries.size() == 2);
    CHECK(left.admin->event == 2);
    World world(left);
    FakeAdmin admin(world);
    admin.up = false;
    world.apply(config_from(usual));
    CHECK(world.effects.starts("web") == 1);
    CHECK(world.effects.starts("api") == 1);
    world.run_for(1h);
    CHECK(world.phase("web") == Phase::Running);
    admin.up = true;
    admin.newest = 2;
    admin.put("web");
    admin.put("api");
    world.run_for(2min);
    CHECK(world.effects.starts("web") == 1);
    admin.set("new");
    CHECK(world.run_until(3ms, [&] { return world.effects.process("new") != nullptr; }));
}

TEST_CASE("what is left out is told once, and again when the reason changes") {
    World world;
    FakeAdmin admin(world);
    admin.set("good");
    admin.set("bad", {{"replicas", std::string("many")}});
    admin.entries["bad"].front() = {"app", std::string("unknown")};
    world.apply(config_from(usual));
    world.run_for(5s);
    const auto count = [&] {
        std::size_t found = 0;
        for (const std::string& each : told(world)) found += each.find("entry 'bad'") != std::string::npos;
        return found;
    };
    const std::size_t before = count();
    CHECK(before >= 1);
    CHECK(world.phase("good") == Phase::Running);
    admin.set("other");
    world.run_for(2min);
    CHECK(count() == before);
    CHECK_FALSE(world.ask<AdminReply>(AdminRequest{}).left_out.empty());
}
