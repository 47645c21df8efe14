// Rolling updates of many, and of those that lack something.
#include <algorithm>

#include "tests/scenario/update_story.hpp"

namespace pmctl::test {

TEST_CASE("A thousand are updated, so many at once") {
    World world;
    world.checks_everything = false;
    world.effects.keeps_records = false;
    world.effects.few_processes = false;
    world.effects.programs["/srv/v2"].healthy_after = 1s;
    std::vector<InstanceSpec> old;
    std::vector<InstanceSpec> young;
    for (int i = 0; i < 1000; ++i) {
        old.push_back(version("app-" + std::to_string(i), 1));
        young.push_back(version("app-" + std::to_string(i), 2));
    }
    const auto config = [](const std::vector<InstanceSpec>& specs) {
        Config made = config_of(specs);
        made.ports = {20000, 30000};
        made.supervisor.max_starting = 25;
        return made;
    };
    world.apply(config(old));
    world.run_for(10s);
    world.apply(config(young));
    std::size_t most = 0;
    REQUIRE(world.run_until(10min, [&] {
        std::size_t starting = 0;
        for (const auto& [run, process] : world.effects.live)
            starting += process.argv.front() == "/srv/v2" && world.time() - process.started < 1s ? 1 : 0;
        most = std::max(most, starting);
        return world.supervisor().totals().updates_done == 1000;
    }));
    CHECK(most == 25);
    world.run_for(10s);
    CHECK(world.effects.live.size() == 1000);
    CHECK(world.supervisor().ports().held().size() == 1000);
    CHECK(world.broken() == "");
}

TEST_CASE("A candidate waits for what the new configuration depends on") {
    World world;
    world.app("db").healthy_after = 10s;
    world.apply({version("web", 1)});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.apply({service("db"), needing(version("web", 2), {"db"})});
    CHECK(world.row("web").update->reason == "waits for 'db' to be healthy");
    world.run_for(9s);
    CHECK(served_by(world, "web.test") == "/srv/v1");
    world.run_for(2s);
    CHECK(served_by(world, "web.test") == "/srv/v2");
}

TEST_CASE("With no free port for a candidate the old run serves on, and the update ends in time") {
    World world;
    Config old = config_of({version("web", 1)});
    old.ports = {30000, 30000};
    world.apply(old);
    REQUIRE(world.run_until_phase("web", Phase::Running));
    Config young = config_of({version("web", 2)});
    young.ports = {30000, 30000};
    world.apply(young);
    CHECK(world.row("web").update->reason == "no free port in 30000-30000");
    SUBCASE("for good") {
        world.run_for(61s);
        CHECK(world.row("web").update->reason == "not healthy within 1m: no free port in 30000-30000");
        CHECK(served_by(world, "web.test") == "/srv/v1");
    }
    SUBCASE("until the range grows") {
        young.ports = {30000, 30001};
        world.apply(young);
        world.run_for(1s);
        CHECK(served_by(world, "web.test") == "/srv/v2");
    }
}

TEST_CASE("What goes from the configuration in mid-update goes whole") {
    World world;
    world.effects.programs["/srv/v2"].healthy_after = 10s;
    world.apply({version("web", 1), service("api")});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.apply({version("web", 2), service("api")});
    world.run_for(1s);
    CHECK(world.effects.live.size() == 3);
    world.apply({service("api")});
    world.run_for(1s);
    CHECK(world.effects.live.size() == 1);
    CHECK_FALSE(world.has("web"));
    CHECK(world.supervisor().ports().held().size() == 1);
}

TEST_CASE("`down` in mid-update ends all of it") {
    World world;
    world.effects.programs["/srv/v2"].healthy_after = 10s;
    world.apply({version("web", 1)});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.apply({version("web", 2)});
    world.run_for(1s);
    world.ask<ActionReply>(DownRequest{});
    CHECK(world.run_until(10s, [&] { return world.effects.is_finished; }));
    CHECK(world.effects.live.empty());
}

}  // namespace pmctl::test
