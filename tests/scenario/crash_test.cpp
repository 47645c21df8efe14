// Processes that crash, hang or never become healthy, over long times.
#include "tests/scenario/world.hpp"

using namespace pmctl;
using namespace pmctl::test;

TEST_CASE("each failed start is told, and that the circuit opens") {
    World world;
    world.app("web").spawn_fails = SpawnFailure{"exec '/srv/app': No such file or directory", false};
    InstanceSpec web = service("web");
    web.policy.restart.circuit_failures = 3;
    world.apply({web});
    world.run_for(10s);
    std::vector<std::string> told;
    for (const Event& event : world.supervisor().journal().events()) {
        if (event.kind == "state") told.push_back(event.text);
    }
    REQUIRE(told.size() == 3);
    CHECK(told[0].starts_with("Stopped → Failed (exec '/srv/app'"));
    CHECK(told[1].starts_with("Failed (exec '/srv/app'"));
    CHECK(told[2].find("3 failures in a row: circuit open") != std::string::npos);
}

TEST_CASE("what is ready after 30 ms is Running in under 50") {
    World world;
    world.app("web").healthy_after = 30ms;
    world.apply({service("web")});
    CHECK(world.phase("web") == Phase::Starting);
    CHECK(world.run_until_phase("web", Phase::Running, 50ms));
    CHECK(world.row("web").outlook == Outlook::Settled);
}

TEST_CASE("a week of crashes: the wait grows to its cap, the circuit opens, one trial a cool-down") {
    World world;
    InstanceSpec web = service("web");
    web.policy.restart.backoff_initial = 1s;
    web.policy.restart.backoff_max = 10s;
    world.app("web").exits_after = 2ms;
    world.app("web").healthy_after = 1h;
    world.effects.dice = {0};
    world.apply({web});

    std::vector<Duration> waits;
    for (int i = 0; i < 10; ++i) {
        REQUIRE(world.run_until_phase("web", Phase::Failed, 10min));
        const Duration failed = world.time();
        REQUIRE(world.run_until_phase("web", Phase::Starting, 10min));
        waits.push_back(world.time() - failed);
    }
    CHECK(waits == std::vector<Duration>{1s, 2s, 4s, 8s, 10s, 10s, 10s, 5min, 5min, 5min});

    const std::size_t starts = world.effects.starts("web");
    const std::size_t events = world.events;
    world.run_for(7 * 24h);
    const std::size_t trials = world.effects.starts("web") - starts;
    CHECK(trials >= 7 * 24 * 12 - 2);
    CHECK(trials <= 7 * 24 * 12 + 1);
    CHECK(world.events - events < trials * 8);
    CHECK(world.effects.writes.size() < 20'000);
    CHECK(world.reason("web").starts_with("exited with 1; next start in "));
    CHECK(world.reason("web").ends_with("failures in a row: circuit open)"));
    CHECK(world.row("web").outlook == Outlook::Stuck);

    // It recovers: a trial stays, the count begins anew with the next crash.
    world.app("web").exits_after.reset();
    world.app("web").healthy_after = 10ms;
    REQUIRE(world.run_until_phase("web", Phase::Running, 10min));
    CHECK(world.reason("web").empty());
    world.run_for(2min);
    CHECK(world.row("web").outlook == Outlook::Settled);
    world.kill("web");
    CHECK(world.phase("web") == Phase::Starting);
    CHECK(world.member("web").replica.failures == 1);
}

TEST_CASE("no checks while nothing runs, none that overlap, and none after the end") {
    World world;
    world.app("web").exits_after = 3s;
    world.apply({service("web")});
    world.run_for(1h);
    const std::size_t made = world.effects.checks_made;
    world.stop({"web"});
    world.run_for(1h);
    CHECK(world.effects.checks_made <= made + 1);
    CHECK(made < 1000);
}

TEST_CASE("a service that answers 503 is Unhealthy, then replaced, and its port stays its own") {
    World world;
    world.apply({service("web")});
    world.run_for(10s);
    const auto port = world.member("web").place.port;
    world.app("web").sick = {{10s, 20s}};
    REQUIRE(world.run_until_phase("web", Phase::Unhealthy, 10s));
    CHECK(world.reason("web") == "2 failed checks in a row: HTTP 503");
    CHECK(world.row("web").outlook == Outlook::Stuck);
    REQUIRE(world.run_until_phase("web", Phase::Stopping, 5s));
    CHECK(world.reason("web").starts_with("3 failed checks in a row; SIGKILL in "));
    REQUIRE(world.run_until_phase("web", Phase::Starting, 5s));
    CHECK(world.member("web").place.port == port);
    REQUIRE(world.run_until_phase("web", Phase::Running, 20s));
    CHECK(world.time() >= 20s);
    CHECK(world.effects.starts("web") == 2);
}

TEST_CASE("one that is never healthy is stopped at startup_timeout and counts as a failed start") {
    World world;
    InstanceSpec web = service("web");
    web.policy.health.startup_timeout = 5s;
    world.app("web").healthy_after = 1h;
    world.app("web").ignores_term = true;
    world.apply({web});
    REQUIRE(world.run_until_phase("web", Phase::Stopping, 6s));
    CHECK(world.time() == 5s);
    REQUIRE(world.run_until_phase("web", Phase::Failed, 20s));
    CHECK(world.reason("web").starts_with("not healthy within 5s: connection refused; next start in "));
    CHECK(world.time() >= 15s);
    CHECK(world.member("web").replica.failures == 1);
}

TEST_CASE("a command that does not exist costs no process, and says why") {
    World world;
    world.app("web").spawn_fails = SpawnFailure{"exec '/srv/app': No such file or directory", false};
    world.apply({service("web")});
    CHECK(world.phase("web") == Phase::Failed);
    CHECK(world.reason("web").starts_with("exec '/srv/app': No such file or directory; next start in "));
    world.run_for(24h);
    CHECK(world.effects.starts("web") <= 8 + 24 * 12);
    world.app("web").spawn_fails.reset();
    CHECK(world.run_until_phase("web", Phase::Running, 6min));
}

TEST_CASE("a lack of the machine is tried again and costs nothing of the budget") {
    World world;
    world.app("web").spawn_fails = SpawnFailure{"clone3: Resource temporarily unavailable", true};
    world.apply({service("web")});
    world.run_for(1h);
    CHECK(world.member("web").replica.failures == 0);
    CHECK(world.effects.starts("web") > 120);
    CHECK(world.effects.starts("web") < 160);
    world.app("web").spawn_fails.reset();
    CHECK(world.run_until_phase("web", Phase::Running, 31s));
}

TEST_CASE("a variable that is not set fails the start and never spawns") {
    World world;
    InstanceSpec web = service("web");
    web.process.command = {"/srv/app", "${NOWHERE}"};
    world.apply({web});
    CHECK(world.phase("web") == Phase::Failed);
    CHECK(world.reason("web").find("NOWHERE") != std::string::npos);
    CHECK(world.effects.starts("web") == 0);
}

TEST_CASE("reports of an earlier run are dropped") {
    World world;
    world.apply({service("web")});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    const RunNumber old = world.member("web").replica.run->number;
    world.kill("web");
    REQUIRE(world.run_until_phase("web", Phase::Running));
    const Replica before = world.member("web").replica;
    const std::uint64_t generation = world.supervisor().roster().generation();
    world.supervisor().exited(old, {ExitStatus::Kind::Code, 9}, "", world.now());
    world.supervisor().checked(old, {false, "late", 1ms}, world.now());
    world.supervisor().exited(12345, {}, "", world.now());
    CHECK(world.member("web").replica.run == before.run);
    CHECK(world.supervisor().roster().generation() == generation);
    CHECK(world.broken() == "");
}

TEST_CASE("a change of what is shown has its generation, and what stays the same has none") {
    World world;
    world.apply({service("web")});
    world.run_for(10s);
    std::uint64_t seen = world.member("web").change;
    world.run_for(1h);
    CHECK(world.member("web").change == seen);
    world.app("web").sick = {{world.time(), world.time() + 100h}};
    std::string reason = world.reason("web");
    for (int i = 0; i < 200; ++i) {
        world.run_for(250ms);
        // Without the time that passes.
        const std::string now = world.reason("web").substr(0, world.reason("web").find(" in "));
        if (now != reason) CHECK(world.member("web").change > seen);
        reason = now;
        seen = world.member("web").change;
    }
}
