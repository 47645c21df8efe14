// What a new configuration changes, and what it leaves alone.
#include "tests/scenario/world.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

InstanceSpec changed(std::string id) {
    InstanceSpec spec = service(std::move(id));
    spec.process.command = {"/srv/new"};
    return spec;
}

std::string running(World& world, const std::string& name) {
    const FakeProcess* process = world.effects.process(name);
    return process == nullptr ? "" : process->argv.front();
}

}  // namespace

TEST_CASE("a changed command replaces that one and leaves the others alone") {
    World world;
    world.apply({service("api"), service("web")});
    world.run_for(10s);
    world.apply({service("api"), changed("web")});
    CHECK(world.row("web").update->state == "rolling");
    CHECK(world.row("web").spec == "stale");
    CHECK(world.row("web").outlook == Outlook::Pending);
    world.run_for(10s);
    CHECK(running(world, "web") == "/srv/new");
    CHECK(world.row("web").outlook == Outlook::Settled);
    CHECK(world.effects.starts("api") == 1);
    CHECK(world.effects.starts("web") == 2);
}

TEST_CASE("a comment changes nothing, not even a generation") {
    World world;
    InstanceSpec broken = service("broken");
    world.app("broken").spawn_fails = SpawnFailure{"exec: No such file or directory", false};
    world.apply({service("api"), service("web"), broken});
    world.run_for(10s);
    const Replica before = world.member("broken").replica;
    const auto generation = world.supervisor().roster().generation();
    const auto plan = world.apply({service("api"), service("web"), broken});
    for (const PlanEntry& each : plan) CHECK(each.action == PlanAction::Keep);
    CHECK(world.supervisor().roster().generation() == generation);
    CHECK(world.effects.starts("web") == 1);
    CHECK(world.member("broken").replica.failures == before.failures);
    CHECK(world.member("broken").replica.next_start == before.next_start);
}

TEST_CASE("a health interval is applied to the process that is there") {
    World world;
    world.apply({service("web")});
    world.run_for(20s);
    const auto rate = [&] {
        const std::size_t made = world.effects.checks_made;
        world.run_for(10s);
        return world.effects.checks_made - made;
    };
    CHECK(rate() <= 3);
    InstanceSpec quick = service("web");
    quick.policy.health.interval = 100ms;
    world.apply({quick});
    CHECK(rate() >= 75);
    quick.policy.health.kind = HealthKind::None;
    world.apply({quick});
    world.run_for(1s);
    CHECK(rate() == 0);
    CHECK(world.phase("web") == Phase::Running);
    CHECK(world.effects.starts("web") == 1);
}

TEST_CASE("enabled off and on again") {
    World world;
    InstanceSpec off = service("web");
    off.enabled = false;
    world.apply({service("web")});
    world.run_for(1s);
    world.apply({off});
    REQUIRE(world.run_until_phase("web", Phase::Stopped));
    CHECK(world.reason("web") == "enabled = false");
    CHECK(world.refusal(StartRequest{{{"web"}, false}}).message.find("disabled") != std::string::npos);
    world.apply({service("web")});
    CHECK(world.run_until_phase("web", Phase::Running));
    world.app("web").stop_takes = 5s;
    world.apply({off});
    CHECK(world.phase("web") == Phase::Stopping);
    world.apply({service("web")});
    CHECK(world.run_until_phase("web", Phase::Starting, 6s));
    CHECK(world.run_until_phase("web", Phase::Running));
}

TEST_CASE("what is no longer configured stops, goes, and leaves nothing behind") {
    World world;
    world.apply({service("api"), service("web")});
    world.run_for(1s);
    world.stop({"web"});
    world.start({"web"});
    const auto generation = world.supervisor().roster().generation();
    world.apply({service("api")});
    CHECK(world.has("web"));
    CHECK(world.reason("web").starts_with("no longer configured; SIGKILL in "));
    world.run_for(1s);
    CHECK_FALSE(world.has("web"));
    CHECK(world.supervisor().roster().find("web") == nullptr);
    CHECK(world.effects.closed_logs == std::set<std::string>{"web"});
    CHECK(world.supervisor().roster().gone_since(generation) == std::vector<std::string>{"web"});
    bool forgotten = false;
    for (const StoreWrite& each : world.effects.writes)
        forgotten =
            forgotten || (each.kind == StoreWrite::Kind::ForgetInstance && each.intention.instance == "web");
    CHECK(forgotten);
}

TEST_CASE("several that go stop in reverse order of their dependencies") {
    World world;
    world.apply({service("a-db"), needing(service("b-web"), {"a-db"}), service("c")});
    world.run_for(1s);
    world.effects.order.clear();
    world.apply({service("c")});
    world.run_for(1s);
    CHECK(world.effects.order ==
          std::vector<std::string>{"SIGTERM b-web", "end b-web", "SIGTERM a-db", "end a-db"});
    CHECK(world.names() == std::vector<std::string>{"c"});
}

TEST_CASE("one that comes back while it leaves is the same, or the new one") {
    World world;
    world.app("web").stop_takes = 5s;
    world.apply({service("web")});
    world.run_for(1s);
    world.apply(std::vector<InstanceSpec>{});
    CHECK(world.phase("web") == Phase::Stopping);
    SUBCASE("as it was") {
        world.apply({service("web")});
        REQUIRE(world.run_until_phase("web", Phase::Running));
        CHECK(running(world, "web") == "/srv/app");
    }
    SUBCASE("with another command") {
        world.apply({changed("web")});
        REQUIRE(world.run_until_phase("web", Phase::Running));
        CHECK(running(world, "web") == "/srv/new");
    }
    CHECK(world.effects.starts("web") == 2);
    CHECK(world.row("web").spec == "current");
    CHECK_FALSE(world.member("web").replica.leaving);
}

TEST_CASE("a stop that waits and is called off by a reload does not leave the old command running") {
    World world;
    world.app("web").stop_takes = 5s;
    world.apply({service("db"), needing(service("web"), {"db"})});
    world.run_for(1s);
    world.apply(std::vector<InstanceSpec>{});
    CHECK(world.reason("db") == "no longer configured; stops after 'web'");
    world.apply({changed("db")});
    REQUIRE(world.run_until(10s, [&] { return running(world, "db") == "/srv/new"; }));
    world.run_for(10s);
    CHECK(world.row("db").outlook == Outlook::Settled);
}

TEST_CASE("a change while it stops for good waits for the next start") {
    World world;
    world.app("web").stop_takes = 2s;
    world.apply({service("web")});
    world.run_for(1s);
    world.stop({"web"});
    world.apply({changed("web")});
    world.run_for(10s);
    CHECK(world.phase("web") == Phase::Stopped);
    world.start({"web"});
    CHECK(running(world, "web") == "/srv/new");
}

TEST_CASE("replicas by configuration: names follow, processes stay") {
    World world;
    const auto copies = [](std::uint32_t number) {
        InstanceSpec spec = service("web");
        spec.replicas = number;
        return spec;
    };
    world.apply({copies(1)});
    world.run_for(1s);
    const RunNumber first = world.member("web").replica.run->number;
    const auto generation = world.supervisor().roster().generation();
    world.apply({copies(2)});
    world.run_for(1s);
    CHECK(world.names() == std::vector<std::string>{"web:0", "web:1"});
    CHECK(world.member("web:0").replica.run->number == first);
    CHECK(world.supervisor().roster().gone_since(generation) == std::vector<std::string>{"web"});
    world.apply({copies(1)});
    CHECK(world.names() == std::vector<std::string>{"web", "web:1"});
    world.run_for(1s);
    CHECK(world.names() == std::vector<std::string>{"web"});
    CHECK(world.member("web").replica.run->number == first);
    CHECK(world.effects.starts("web") == 1);
    world.apply({copies(0)});
    world.run_for(1s);
    CHECK(world.names().empty());
    world.apply({copies(2)});
    world.run_for(1s);
    CHECK(world.phase("web:1") == Phase::Running);
    world.apply(std::vector<InstanceSpec>{});
    world.run_for(1s);
    CHECK(world.supervisor().roster().instances().empty());
}

TEST_CASE("an instance without replicas goes with its configuration") {
    World world;
    InstanceSpec none = service("web");
    none.replicas = 0;
    world.apply({none});
    CHECK(world.supervisor().roster().find("web") != nullptr);
    world.apply(std::vector<InstanceSpec>{});
    CHECK(world.supervisor().roster().find("web") == nullptr);
}

TEST_CASE("an invalid file changes nothing; a dry run tells and changes nothing") {
    World world;
    world.apply({service("web")});
    world.run_for(1s);
    world.effects.config = fail(ErrorKind::Invalid, "pmctl.toml:3: unknown key 'comand'");
    const auto generation = world.supervisor().roster().generation();
    CHECK(world.refusal(ReloadRequest{}).kind == ErrorKind::Invalid);
    Config next = config_of({changed("web"), service("new")});
    next.supervisor.log_level = "debug";
    world.effects.config = next;
    const auto told = world.ask<ReloadReply>(ReloadRequest{true});
    CHECK(told.changes.size() == 2);
    CHECK(told.warnings.size() == 1);
    CHECK(world.supervisor().roster().generation() == generation);
    CHECK_FALSE(world.has("new"));
    const auto done = world.ask<ReloadReply>(ReloadRequest{});
    CHECK(done.changes == told.changes);
    world.run_for(10s);
    CHECK(running(world, "web") == "/srv/new");
    CHECK(world.phase("new") == Phase::Running);
}

TEST_CASE("the admin service's secret is given to who asks for it, the current one, and to nobody else") {
    World world;
    const auto with = [](const std::string& secret, const std::string& variable) {
        InstanceSpec asks = service("asks");
        asks.process.pass_internal_secret = true;
        asks.process.secret_mark = secret.size();
        Config config = config_of({asks, service("other")});
        config.admin.emplace().secret_env = variable;
        config.admin_secret = secret;
        return config;
    };
    const auto given = [&world](const std::string& name, const std::string& variable) {
        std::string found = "(unset)";
        const SpawnRequest& request = world.effects.spawns[name].back();
        for (const auto* list : {request.base_env.get(), &request.env}) {
            for (const std::string& each : *list) {
                if (each.starts_with(variable + "=")) found = each.substr(variable.size() + 1);
            }
        }
        return found;
    };
    world.apply(with("one", ""));
    world.run_for(10s);
    CHECK(given("asks", "INTERNAL_SECRET") == "one");
    CHECK(given("other", "INTERNAL_SECRET") == "(unset)");
    CHECK(given("asks", "PATH") == "/usr/bin");
    // Another one, from a variable that the supervisor was started with.
    world.apply(with("other", "PATH"));
    world.run_for(20s);
    CHECK(given("asks", "INTERNAL_SECRET") == "other");
    CHECK(given("asks", "PATH") == "(unset)");
    CHECK(world.effects.starts("asks") == 2);
    CHECK(world.effects.starts("other") == 1);
}

TEST_CASE("another restart policy counts for a start that is due") {
    World world;
    world.app("web").exits_after = 10ms;
    world.app("web").healthy_after = 1h;
    InstanceSpec web = service("web");
    web.policy.restart.circuit_failures = 3;
    world.apply({web});
    REQUIRE(world.run_until(60s, [&] { return world.member("web").replica.failures == 3; }));
    CHECK(world.member("web").replica.next_start > world.now().steady + 4min);
    web.policy.restart.circuit_cooldown = 10s;
    world.apply({web});
    CHECK(world.member("web").replica.next_start == world.now().steady + 10s);
    web.policy.restart.circuit_cooldown = 1h;
    world.apply({web});
    CHECK(world.member("web").replica.next_start == world.now().steady + 10s);
    web.policy.restart.mode = RestartMode::Never;
    world.apply({web});
    const std::size_t starts = world.effects.starts("web");
    world.run_for(1min);
    CHECK(world.effects.starts("web") == starts);
    CHECK(world.phase("web") == Phase::Failed);
    CHECK(world.reason("web") == "exited with 1; not started again (restart.policy = \"never\")");
}

TEST_CASE("a reload names what still does not run as configured") {
    World world;
    world.effects.programs["/srv/new"].healthy_after = 1h;
    InstanceSpec web = changed("web");
    web.policy.update.timeout = 5s;
    world.apply({service("api"), service("web")});
    world.run_for(1s);
    world.effects.config = config_of({service("api"), web});
    CHECK(world.ask<ReloadReply>(ReloadRequest{false}).stale.empty());  // that is the change itself
    world.run_for(1s);
    CHECK(world.ask<ReloadReply>(ReloadRequest{false}).stale == std::vector<std::string>{"web"});
    world.run_for(10s);
    CHECK(world.row("web").update->state == "failed");
    CHECK(world.ask<ReloadReply>(ReloadRequest{false}).stale == std::vector<std::string>{"web"});
    CHECK(world.row("web").outlook == Outlook::Stuck);
}

TEST_CASE("what counts from a start to the next is compared with that start") {
    World world;
    Config config = config_of({service("web")});
    config.supervisor.state_dir = "/var/lib/a";
    world.apply(config);
    config.supervisor.state_dir = "/var/lib/b";
    world.effects.config = config;
    for (int i = 0; i < 2; ++i) {
        const auto reply = world.ask<ReloadReply>(ReloadRequest{false});
        CHECK(reply.warnings ==
              std::vector<std::string>{
                  "[supervisor] state_dir changed: in force from the supervisor's next start on"});
    }
    CHECK(world.supervisor().started_with().state_dir == "/var/lib/a");
}
