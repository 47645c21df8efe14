// depends_on: gates at the start, reverse order at the stop.
#include "tests/scenario/world.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

using Order = std::vector<std::string>;

// Without the checks' noise.
Order taken(World& world) {
    return std::exchange(world.effects.order, {});
}

std::vector<InstanceSpec> chain() {
    return {needing(service("a-web"), {"b-api"}), needing(service("b-api"), {"c-db"}), service("c-db")};
}

}  // namespace

TEST_CASE("a chain starts from its end, each when the one before is healthy") {
    World world;
    world.app("c-db").healthy_after = 2s;
    world.app("b-api").healthy_after = 1s;
    world.apply(chain());
    CHECK(taken(world) == Order{"start c-db"});
    CHECK(world.reason("a-web") == "waits for 'b-api' to be healthy");
    CHECK(world.reason("b-api") == "waits for 'c-db' to be healthy");
    CHECK(world.row("a-web").outlook == Outlook::Pending);
    REQUIRE(world.run_until_phase("a-web", Phase::Running));
    CHECK(taken(world) == Order{"start b-api", "start a-web"});
    CHECK(world.time() >= 3s);
}

TEST_CASE("a diamond starts its top once both sides are healthy") {
    World world;
    world.app("left").healthy_after = 1s;
    world.app("right").healthy_after = 5s;
    world.apply({service("base"), needing(service("left"), {"base"}), needing(service("right"), {"base"}),
                 needing(service("top"), {"left", "right"})});
    REQUIRE(world.run_until_phase("left", Phase::Running));
    CHECK(world.reason("top") == "waits for 'right' to be healthy");
    REQUIRE(world.run_until_phase("top", Phase::Running));
    CHECK(world.effects.starts("top") == 1);
    CHECK(taken(world) == Order{"start base", "start left", "start right", "start top"});
}

TEST_CASE("a dependency that crashes takes nobody along, but holds up the next start") {
    World world;
    world.apply(chain());
    REQUIRE(world.run_until_phase("a-web", Phase::Running));
    world.app("c-db").healthy_after = 1h;
    world.kill("c-db");
    CHECK(world.phase("b-api") == Phase::Running);
    world.kill("b-api");
    CHECK(world.phase("b-api") == Phase::Stopped);
    CHECK(world.reason("b-api") == "waits for 'c-db' to be healthy");
    CHECK(world.phase("a-web") == Phase::Running);
    world.app("c-db").healthy_after = 0s;
    CHECK(world.run_until_phase("b-api", Phase::Running, 10min));
}

TEST_CASE("who waits is told when what he waits for changes, also from afar") {
    World world;
    world.app("c-db").healthy_after = 1h;
    world.apply(chain());
    std::uint64_t seen = world.member("a-web").change;
    world.stop({"c-db"});
    CHECK(world.reason("b-api") == "waits for 'c-db', which is stopped");
    CHECK(world.reason("a-web") == "waits for 'b-api' to be healthy");
    CHECK(world.row("a-web").outlook == Outlook::Stuck);
    CHECK(world.member("a-web").change > seen);
    seen = world.member("a-web").change;
    world.run_for(1s);
    world.app("c-db").healthy_after = 0s;
    world.start({"c-db"});
    CHECK(world.row("a-web").outlook == Outlook::Pending);
    CHECK(world.member("a-web").change > seen);
    CHECK(world.run_until_phase("a-web", Phase::Running));
}

TEST_CASE("a one-shot dependency opens the gate when it has completed") {
    World world;
    InstanceSpec migrate = worker("migrate");
    migrate.policy.health.kind = HealthKind::Http;
    migrate.process.port.kind = PortWish::Kind::Auto;
    migrate.policy.restart.mode = RestartMode::OnFailure;
    world.app("migrate").healthy_after = 1h;
    world.app("migrate").exits_after = 3s;
    world.app("migrate").exit = {ExitStatus::Kind::Code, 0};
    world.apply({migrate, needing(service("web"), {"migrate"})});
    world.run_for(2s);
    CHECK(world.reason("web") == "waits for 'migrate' to be healthy");
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(world.phase("migrate") == Phase::Stopped);
    CHECK(world.row("migrate").outlook == Outlook::Settled);
    CHECK(world.effects.starts("migrate") == 1);
}

TEST_CASE("all replicas of a dependency are waited for, and one that is scaled away no longer is") {
    World world;
    InstanceSpec db = service("db");
    db.replicas = 2;
    world.app("db:1").healthy_after = 1h;
    world.apply({needing(service("api"), {"db"}), db});
    world.run_for(10s);
    CHECK(world.reason("api") == "waits for 'db:1' to be healthy");
    world.scale("db", 1);
    CHECK(world.run_until_phase("api", Phase::Running, 10s));
}

TEST_CASE("a dependency without replicas is not healthy") {
    World world;
    InstanceSpec db = service("db");
    db.replicas = 0;
    world.apply({needing(service("api"), {"db"}), db});
    CHECK(world.reason("api") == "waits for 'db', which has no replicas");
    CHECK(world.row("api").outlook == Outlook::Stuck);
    world.scale("db", 1);
    CHECK(world.run_until_phase("api", Phase::Running, 10s));
}

TEST_CASE("down stops in reverse order and waits for who ignores TERM") {
    World world;
    world.apply(chain());
    REQUIRE(world.run_until_phase("a-web", Phase::Running));
    taken(world);
    world.app("b-api").ignores_term = true;
    const Duration begin = world.time();
    world.ask<ActionReply>(DownRequest{});
    CHECK(world.reason("c-db") == "the supervisor stops; stops after 'b-api'");
    REQUIRE(world.run_until(1min, [&] { return world.effects.is_finished; }));
    CHECK(taken(world) == Order{"SIGTERM a-web", "end a-web", "SIGTERM b-api", "SIGKILL b-api", "end b-api",
                                "SIGTERM c-db", "end c-db"});
    CHECK(world.time() - begin >= 10s);
    CHECK(world.time() - begin < 11s);
    CHECK(world.supervisor().finishing());
}

TEST_CASE("a second down at once kills what is left, held or not") {
    World world;
    world.apply(chain());
    REQUIRE(world.run_until_phase("a-web", Phase::Running));
    for (const char* id : {"a-web", "b-api", "c-db"}) world.app(id).ignores_term = true;
    world.ask<ActionReply>(DownRequest{});
    world.run_for(1s);
    taken(world);
    const auto reply = world.ask<ActionReply>(DownRequest{true});
    CHECK(reply.items.size() == 3);
    CHECK(taken(world) == Order{"SIGKILL a-web", "SIGKILL b-api", "SIGKILL c-db"});
    CHECK(world.run_until(1s, [&] { return world.effects.is_finished; }));
}

TEST_CASE("down ends although KILL does not end one") {
    World world;
    world.app("web").survives_kill = true;
    world.app("web").ignores_term = true;
    world.apply({service("web"), service("api")});
    world.run_for(1s);
    world.ask<ActionReply>(DownRequest{});
    REQUIRE(world.run_until(1min, [&] { return world.effects.is_finished; }));
    CHECK(world.phase("web") == Phase::Failed);
    CHECK(world.reason("web").starts_with("stop failed: SIGKILL did not end it"));
}

TEST_CASE("down with nothing running ends at once") {
    World world;
    InstanceSpec web = service("web");
    web.policy.autostart = false;
    world.apply({web});
    world.ask<ActionReply>(DownRequest{});
    CHECK(world.effects.is_finished);
}

TEST_CASE("a stop of several waits in their order, also for names that come in another one") {
    World world;
    // 'm-idle' does not run, depends on the database, and is named between the two.
    InstanceSpec idle = needing(service("m-idle"), {"a-db"});
    idle.policy.autostart = false;
    world.apply({service("a-db"), idle, needing(service("z-web"), {"a-db"})});
    REQUIRE(world.run_until_phase("z-web", Phase::Running));
    taken(world);
    world.stop({"a-db", "m-idle", "z-web"});
    CHECK(taken(world) == Order{"SIGTERM z-web"});
    CHECK(world.reason("a-db") == "stopped by an operator; stops after 'z-web'");
    REQUIRE(world.run_until_phase("a-db", Phase::Stopped));
    CHECK(taken(world) == Order{"end z-web", "SIGTERM a-db", "end a-db"});
}

TEST_CASE("several that are restarted stop in reverse order, and start in order") {
    World world;
    world.apply(chain());
    REQUIRE(world.run_until_phase("a-web", Phase::Running));
    taken(world);
    for (const char* each : {"a-web", "b-api", "c-db"}) world.app(each).stop_takes = 2s;
    world.restart({"a-web", "b-api", "c-db"});
    CHECK(taken(world) == Order{"SIGTERM a-web"});
    CHECK(world.reason("c-db") == "to be started again; stops after 'b-api'");
    CHECK(world.row("c-db").state == "Running");
    CHECK(world.row("c-db").outlook == Outlook::Pending);
    CHECK(world.row("c-db").wanted == "running");
    SUBCASE("each when what depends on it has ended") {
        REQUIRE(world.run_until(1min, [&] { return world.row("c-db").outlook == Outlook::Settled; }));
        REQUIRE(world.run_until_phase("a-web", Phase::Running));
        CHECK(taken(world) == Order{"end a-web", "SIGTERM b-api", "end b-api", "SIGTERM c-db", "end c-db",
                                    "start c-db", "start b-api", "start a-web"});
    }
    SUBCASE("an operator who starts the first one calls its restart off") {
        world.supervisor().start({&world.member("c-db")}, world.now());
        REQUIRE(world.run_until_phase("a-web", Phase::Running));
        CHECK(taken(world) == Order{"end a-web", "SIGTERM b-api", "end b-api", "start b-api", "start a-web"});
    }
    SUBCASE("one in the middle whose restart is called off holds nobody up") {
        SUBCASE("by a start") {
            world.supervisor().start({&world.member("b-api")}, world.now());
        }
        SUBCASE("by a rolling restart") {
            world.supervisor().restart({&world.member("b-api")}, true, world.now());
        }
        SUBCASE("by a stop and a scaling") {
            world.supervisor().scale(*world.member("b-api").instance, 0, world.now());
            world.supervisor().scale(*world.member("b-api").instance, 1, world.now());
        }
        CHECK(world.member("c-db").replica.held_by.empty());
        REQUIRE(world.run_until(1min, [&] { return world.row("c-db").outlook == Outlook::Settled; }));
        REQUIRE(world.run_until_phase("a-web", Phase::Running));
        world.run_for(1min);
        taken(world);
        world.stop({"c-db"});
        CHECK(taken(world) == Order{"SIGTERM c-db"});
    }
    SUBCASE("one that crashes while it waits is started again, once") {
        world.kill("c-db");
        REQUIRE(world.run_until_phase("a-web", Phase::Running));
        CHECK(taken(world) == Order{"end c-db", "start c-db", "end a-web", "SIGTERM b-api", "end b-api",
                                    "start b-api", "start a-web"});
    }
    SUBCASE("a restart of one alone waits for nobody") {
        REQUIRE(world.run_until_phase("c-db", Phase::Running));
        REQUIRE(world.run_until(1min, [&] { return world.row("a-web").outlook == Outlook::Settled; }));
        taken(world);
        world.restart({"c-db"});
        CHECK(taken(world) == Order{"SIGTERM c-db"});
    }
}

TEST_CASE("one that waits to be restarted is not stuck, whatever its health") {
    World world;
    world.apply({needing(service("a-web"), {"c-db"}), needing(service("b-api"), {"c-db"}), service("c-db")});
    REQUIRE(world.run_until_phase("b-api", Phase::Running));
    REQUIRE(world.run_until_phase("a-web", Phase::Running));
    world.app("c-db").sick = {{world.time(), world.time() + 1h}};
    REQUIRE(world.run_until(1min, [&] { return world.phase("c-db") == Phase::Unhealthy; }));
    world.app("b-api").stop_takes = 5s;
    world.app("c-db").sick.clear();
    world.restart({"a-web", "b-api", "c-db"});
    world.run_for(1s);
    CHECK(world.row("a-web").outlook == Outlook::Pending);
    CHECK(world.row("c-db").outlook == Outlook::Pending);
    REQUIRE(world.run_until(1min, [&] { return world.row("a-web").outlook == Outlook::Settled; }));
}

TEST_CASE("a stop of a dependency alone waits for nobody") {
    World world;
    world.apply(chain());
    REQUIRE(world.run_until_phase("a-web", Phase::Running));
    taken(world);
    world.stop({"c-db"});
    CHECK(taken(world) == Order{"SIGTERM c-db"});
}

TEST_CASE("who held a stop and is started again holds it no longer") {
    World world;
    world.apply(chain());
    REQUIRE(world.run_until_phase("a-web", Phase::Running));
    world.app("b-api").ignores_term = true;
    world.stop({"b-api", "c-db"});
    CHECK_FALSE(world.member("c-db").replica.held_by.empty());
    taken(world);
    SUBCASE("by an operator") {
        world.supervisor().start({&world.member("b-api")}, world.now());
        CHECK(taken(world) == Order{"SIGTERM c-db"});
    }
    SUBCASE("by a reload that takes the dependency away") {
        world.apply({needing(service("a-web"), {"b-api"}), service("b-api"), service("c-db")});
        CHECK(taken(world) == Order{"SIGTERM c-db"});
    }
    CHECK(world.run_until(1min, [&] { return world.phase("c-db") == Phase::Stopped; }));
}

TEST_CASE("a chain of two thousand starts and stops without a deep stack") {
    World world;
    world.checks_everything = false;
    world.effects.keeps_records = false;
    std::vector<InstanceSpec> specs;
    const auto id = [](int i) { return "w" + std::to_string(10'000 + i); };
    for (int i = 0; i < 2000; ++i)
        specs.push_back(i == 0 ? worker(id(i)) : needing(worker(id(i)), {id(i - 1)}));
    world.apply(specs);
    CHECK(world.phase(id(1999)) == Phase::Running);
    CHECK(world.broken() == "");
    world.ask<ActionReply>(DownRequest{});
    CHECK(world.run_until(1min, [&] { return world.effects.is_finished; }));
}
