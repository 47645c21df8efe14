// Rolling updates: who serves meanwhile, in which order, and what is left when they fail.
#include "tests/scenario/update_story.hpp"

namespace pmctl::test {

TEST_CASE("A changed command: somebody serves at each moment, the route moves once, the old run goes") {
    World world;
    world.effects.programs["/srv/v2"].healthy_after = 300ms;
    world.apply({version("web", 1)});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    const auto generation = world.supervisor().routes().generation();
    const auto port = world.effects.process("web")->port;

    const auto plan = world.apply({version("web", 2)});
    CHECK(plan.front().action == PlanAction::Replace);
    CHECK(world.row("web").update->state == "rolling");
    CHECK(world.row("web").outlook == Outlook::Pending);
    CHECK(world.row("web").spec == "stale");
    while (world.row("web").update) {
        CHECK(served_by(world, "web.test") == "/srv/v1");
        CHECK(world.row("web").state == "Running");
        world.run_for(10ms);
    }
    CHECK(served_by(world, "web.test") == "/srv/v2");
    CHECK(world.supervisor().routes().generation() == generation + 1);
    CHECK(world.row("web").outlook == Outlook::Settled);
    CHECK(world.row("web").port != port);
    world.run_for(1s);
    CHECK(processes(world, "/srv/v1") == 0);
    CHECK(world.row("web").restarts == 0);
    CHECK(world.supervisor().totals().updates_done == 1);
    // Everything that the old one held is free again.
    CHECK(world.supervisor().ports().held().size() == 1);
}

TEST_CASE("The old run drains until every reader of the table has seen the new one") {
    World world;
    world.apply({version("web", 1)});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    follow(world);
    world.apply({version("web", 2)});
    REQUIRE(world.run_until(1s, [&] { return served_by(world, "web.test") == "/srv/v2"; }));
    CHECK(world.supervisor().draining());
    world.run_for(1s);
    CHECK(processes(world, "/srv/v1") == 1);
    const PortsReply ports = world.ask<PortsReply>(PortsRequest{});
    REQUIRE(ports.ports.size() == 2);
    CHECK(ports.ports.front().state == "draining");
    SUBCASE("it has seen it") {
        follow(world);
        CHECK_FALSE(world.supervisor().draining());
        world.run_for(10ms);
        CHECK(processes(world, "/srv/v1") == 0);
    }
    SUBCASE("it sees it at once: those who came last are answered") {
        world.apply({version("web", 3)});
        REQUIRE(world.run_until(1s, [&] { return served_by(world, "web.test") == "/srv/v3"; }));
        follow(world);
        world.run_for(400ms);
        CHECK(processes(world, "/srv/v2") == 1);
        world.run_for(200ms);
        CHECK(processes(world, "/srv/v2") == 0);
    }
    SUBCASE("it has not, within update.drain") {
        world.run_for(3900ms);
        CHECK(processes(world, "/srv/v1") == 1);
        world.run_for(200ms);
        CHECK(processes(world, "/srv/v1") == 0);
    }
}

TEST_CASE("Who asks for each request gets the whole of update.drain from what an update leaves behind") {
    World world;
    world.apply({version("web", 1)});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.run_for(10s);
    REQUIRE(world.supervisor().ask_route("web.test", world.now()).found.upstream != nullptr);
    world.apply({version("web", 2)});
    REQUIRE(world.run_until(1s, [&] { return served_by(world, "web.test") == "/srv/v2"; }));
    world.run_for(4900ms);
    CHECK(processes(world, "/srv/v1") == 1);
    world.run_for(200ms);
    CHECK(processes(world, "/srv/v1") == 0);
}

TEST_CASE("A plain stop leaves the routes first, and is told when nobody is led there any longer") {
    World world;
    world.apply({version("web", 1)});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    SUBCASE("nobody reads: at once") {
        world.stop({"web"});
        CHECK(world.effects.order.back() == "SIGTERM web");
    }
    SUBCASE("a reader follows") {
        follow(world);
        world.stop({"web"});
        CHECK(served_by(world, "web.test").empty());
        CHECK(world.phase("web") == Phase::Stopping);
        CHECK(world.reason("web") == "stopped by an operator; drains, told to end in 5s");
        world.run_for(1s);
        CHECK(world.effects.process("web")->signals.empty());
        follow(world);
        CHECK(world.effects.process("web")->signals.size() == 1);
    }
    SUBCASE("somebody was led there a moment ago") {
        REQUIRE(world.supervisor().ask_route("web.test", world.now()).found.upstream != nullptr);
        world.stop({"web"});
        world.run_for(499ms);
        CHECK(world.effects.process("web")->signals.empty());
        world.run_for(2ms);
        CHECK(world.effects.process("web")->signals.size() == 1);
    }
    SUBCASE("somebody was led there a while ago") {
        REQUIRE(world.supervisor().ask_route("web.test", world.now()).found.upstream != nullptr);
        world.run_for(1s);
        world.stop({"web"});
        CHECK(world.effects.process("web")->signals.size() == 1);
    }
    SUBCASE("everything stops at once") {
        follow(world);
        world.ask<ActionReply>(DownRequest{true});
        CHECK(world.effects.order.back() == "SIGKILL web");
    }
}

TEST_CASE("A stop that waits for those that depend on it has left the routes meanwhile") {
    World world;
    InstanceSpec front = needing(version("front", 1), {"web"});
    front.policy.stop_timeout = 20s;
    world.app("front").stop_takes = 10s;
    world.apply({version("web", 1), front});
    REQUIRE(world.run_until_phase("front", Phase::Running));
    follow(world);
    world.stop({"web", "front"});
    CHECK(served_by(world, "web.test").empty());
    REQUIRE(world.run_until_phase("front", Phase::Stopped));  // it drains, then takes its time
    CHECK(world.effects.order.back() == "SIGTERM web");
}

TEST_CASE(
    "A candidate that is not healthy goes, the old run serves on, and nothing is tried again by itself") {
    World world;
    world.effects.programs["/srv/v2"].exits_after = 200ms;
    world.effects.programs["/srv/v2"].healthy_after = 1h;
    world.apply({version("web", 1)});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    const RunNumber run = world.row("web").run;
    const auto generation = world.supervisor().routes().generation();
    world.apply({version("web", 2)});
    world.run_for(1h);
    const StatusRow row = world.row("web");
    CHECK(row.state == "Running");
    CHECK(row.run == run);
    CHECK(row.spec == "stale");
    REQUIRE(row.update);
    CHECK(row.update->state == "failed");
    CHECK(row.update->reason.find("exited with 1 before it was healthy: connection refused") !=
          std::string::npos);
    CHECK(row.outlook == Outlook::Stuck);
    CHECK(served_by(world, "web.test") == "/srv/v1");
    CHECK(world.supervisor().routes().generation() == generation);
    CHECK(world.effects.starts("web") == 2);
    CHECK(world.supervisor().totals().updates_failed == 1);

    SUBCASE("a reload that changes nothing does not try again") {
        world.apply({version("web", 2)});
        world.run_for(1h);
        CHECK(world.effects.starts("web") == 2);
    }
    SUBCASE("another version is tried, and serves") {
        world.apply({version("web", 3)});
        world.run_for(1s);
        CHECK(served_by(world, "web.test") == "/srv/v3");
        CHECK_FALSE(world.row("web").update);
    }
    SUBCASE("the old version again: nothing is to be done") {
        world.apply({version("web", 1)});
        world.run_for(1s);
        CHECK(world.effects.starts("web") == 2);
        CHECK_FALSE(world.row("web").update);
        CHECK(world.row("web").spec == "current");
    }
    SUBCASE("reset tries again") {
        world.effects.programs["/srv/v2"] = {};
        world.ask<ActionReply>(ResetRequest{{{"web"}, false}});
        world.run_for(1s);
        CHECK(served_by(world, "web.test") == "/srv/v2");
    }
    SUBCASE("a plain restart runs what is configured") {
        world.effects.programs["/srv/v2"] = {};
        world.restart({"web"});
        world.run_for(1s);
        CHECK(served_by(world, "web.test") == "/srv/v2");
    }
    SUBCASE("a crash brings back what served") {
        world.kill("web");
        world.run_for(1s);
        CHECK(served_by(world, "web.test") == "/srv/v1");
        CHECK(world.row("web").update->state == "failed");
    }
}

TEST_CASE("Replicas are updated one at a time, and the first failure ends it") {
    World world;
    world.effects.programs["/srv/v2"].healthy_after = 1s;
    world.apply({version("web", 1, 3)});
    REQUIRE(world.run_until_phase("web:2", Phase::Running));
    SUBCASE("each is healthy before the next begins") {
        world.apply({version("web", 2, 3)});
        world.run_until(1min, [&] {
            std::size_t starting = 0;
            for (const std::string& name : world.names())
                starting += world.member(name).replica.candidate ? 1 : 0;
            CHECK(starting <= 1);
            return processes(world, "/srv/v1") == 0;
        });
        CHECK(processes(world, "/srv/v2") == 3);
        CHECK(world.time() >= 3s);
    }
    SUBCASE("one that fails leaves the others alone") {
        world.effects.programs["/srv/v2"].exits_after = 100ms;
        world.apply({version("web", 2, 3)});
        world.run_for(10min);
        CHECK(processes(world, "/srv/v1") == 3);
        CHECK(world.effects.spawns.at("web").size() == 2);
        CHECK(world.effects.spawns.at("web:1").size() == 1);
        CHECK(world.row("web:1").update->reason == "'web:0' could not be updated");
        CHECK(world.row("web:2").update->reason == "'web:0' could not be updated");
        // Asked for again, all of them.
        world.effects.programs["/srv/v2"] = {};
        world.ask<ActionReply>(ResetRequest{{{"web"}, false}});
        world.run_for(1min);
        CHECK(processes(world, "/srv/v2") == 3);
    }
    SUBCASE("one that falls ill after its update holds the next") {
        world.effects.programs["/srv/v2"].exits_after = 1500ms;
        world.apply({version("web", 2, 3)});
        world.run_for(4s);
        CHECK(processes(world, "/srv/v1") >= 1);
        CHECK(world.effects.spawns.at("web:2").size() == 1);
    }
}

TEST_CASE("restart --rolling keeps it served and starts the same again") {
    World world;
    world.apply({version("web", 1, 2)});
    REQUIRE(world.run_until_phase("web:1", Phase::Running));
    const RunNumber before = world.row("web:0").run;
    world.ask<ActionReply>(RestartRequest{{{"web"}, false}, true});
    world.run_until(1min, [&] {
        CHECK_FALSE(served_by(world, "web.test").empty());
        return !world.row("web:0").update && !world.row("web:1").update;
    });
    CHECK(world.row("web:0").run > before);
    CHECK(world.effects.starts("web") == 2);
    CHECK(world.effects.starts("web:1") == 2);
}

TEST_CASE(
    "A fixed port whose socket is kept: both have it, it is never closed, and the old process is told at "
    "once") {
    World world;
    const auto kept = [](int number) {
        InstanceSpec spec = with_fixed_port(version("web", number), 8080);
        spec.process.socket_activation = true;
        return spec;
    };
    world.apply({kept(1)});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.effects.checks.clear();
    world.apply({kept(2)});
    REQUIRE(world.run_until(1min, [&] { return processes(world, "/srv/v2") == 1; }));
    CHECK(processes(world, "/srv/v1") == 1);
    CHECK(world.effects.spawns["web"].back().listen_port == 8080);
    const FakeProcess* candidate = nullptr;
    for (const auto& [run, process] : world.effects.live) {
        if (process.argv.front() == "/srv/v2") candidate = &process;
    }
    const int pid = candidate->pid;
    REQUIRE(world.run_until(1min, [&] { return !world.row("web").update; }));
    // An answer of the one that is replaced says nothing of the other.
    for (const CheckRequest& check : world.effects.checks) {
        if (check.run == world.member("web").replica.run->number) CHECK(check.answered_by == pid);
    }
    CHECK(world.row("web").port == 8080);
    REQUIRE(world.run_until(1s, [&] { return processes(world, "/srv/v1") == 0; }));
    CHECK(world.effects.closed_listeners.empty());
    CHECK(world.supervisor().ports().held().contains(8080));
    // One that fails leaves the old one and the socket as they are.
    world.effects.programs["/srv/v3"].exits_after = 1ms;
    world.apply({kept(3)});
    REQUIRE(world.run_until(
        1min, [&] { return world.row("web").update && world.row("web").update->state == "failed"; }));
    world.run_for(1min);
    CHECK(processes(world, "/srv/v2") == 1);
    CHECK(world.effects.closed_listeners.empty());
    world.stop({"web"});
    world.run_for(10s);
    CHECK(world.effects.closed_listeners == std::set<std::uint16_t>{8080});
}

TEST_CASE("restart --rolling says so where it cannot keep it served") {
    World world;
    InstanceSpec recreated = version("once", 1);
    recreated.policy.update.strategy = UpdateStrategy::Recreate;
    world.apply({with_fixed_port(version("fixed", 1), 8080), worker("job"), recreated});
    CHECK(world.refusal(RestartRequest{{{"fixed"}, false}, true}).message ==
          "'fixed' has the fixed port 8080, which two processes cannot have: leave --rolling out");
    CHECK(world.refusal(RestartRequest{{{"job"}, false}, true}).message ==
          "'job' has no port that could be served meanwhile: leave --rolling out");
    CHECK(world.refusal(RestartRequest{{{"once"}, false}, true}).message ==
          "'once' has update.strategy = \"recreate\": leave --rolling out");
}

}  // namespace pmctl::test
