// Every request through Commands, with its errors, and what a parked one waits for.
#include "tests/scenario/world.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

Targets these(std::vector<std::string> names) {
    return {std::move(names), false};
}

std::vector<std::string> names(const StatusReply& reply) {
    std::vector<std::string> all;
    for (const StatusRow& row : reply.rows) all.push_back(row.name);
    return all;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("hello and status") {
    World world;
    InstanceSpec web = service("web");
    web.replicas = 2;
    web.app = "shop";
    web.policy.group = "front";
    web.hostnames = {"shop.localhost"};
    web.process.limits.open_files = 512;
    web.process.limits.memory = 1 << 20;  // no cgroups here: not in force
    world.apply({service("api"), web});
    world.run_for(1s);
    const auto hello = world.ask<HelloReply>(HelloRequest{});
    CHECK(hello.pid == 42);
    CHECK(hello.config_path == "/etc/pmctl/pmctl.toml");
    const auto reply = world.ask<StatusReply>(StatusRequest{});
    CHECK(names(reply) == Names{"api", "web:0", "web:1"});
    CHECK(reply.generation == world.supervisor().roster().generation());
    const StatusRow& row = reply.rows[2];
    CHECK(row.instance == "web");
    CHECK(row.app == "shop");
    CHECK(row.group == "front");
    CHECK(row.origin == "static");
    CHECK(row.wanted == "running");
    CHECK(row.state == "Running");
    CHECK(row.pid == world.effects.process("web:1")->pid);
    CHECK(row.port == world.effects.process("web:1")->port);
    CHECK(row.hostnames == Names{"shop.localhost"});
    CHECK(row.uptime == 1s);
    REQUIRE(row.health);
    CHECK(row.health->ok);
    CHECK(row.limits == std::map<std::string, std::string>{{"open_files", "512"}});
    CHECK(names(world.ask<StatusReply>(StatusRequest{these({"@front"})})) == Names{"web:0", "web:1"});
    CHECK(world.refusal(StatusRequest{these({"wep"})}).kind == ErrorKind::NotFound);
}

TEST_CASE("limits that are not in force are told when they are first asked for, and left out of status") {
    World world;
    world.effects.limits_here = {.memory = true, .why_not = "there are no others"};
    const auto told = [&world] {
        std::vector<std::string> texts;
        for (const Event& each : world.supervisor().journal().events()) {
            if (each.text.starts_with("limits of ")) texts.push_back(each.text);
        }
        return texts;
    };
    InstanceSpec web = service("web");
    web.process.limits.memory = 1 << 20;
    world.apply({web});
    CHECK(told().empty());
    web.process.limits.cpu = 0.5;
    world.apply({web});
    CHECK(told() == Names{"limits of cpu are not in force: there are no others"});
    world.apply({web, service("api")});
    CHECK(told().size() == 1);
    world.run_for(1s);
    const auto reply = world.ask<StatusReply>(StatusRequest{these({"web"})});
    CHECK(reply.rows.at(0).limits == std::map<std::string, std::string>{{"memory", "1MiB"}});
}

TEST_CASE("logs and events of what is no longer configured can be asked for by name") {
    World world;
    world.apply({service("web"), service("api")});
    world.run_for(1s);
    world.apply({service("api")});
    world.run_for(1s);
    REQUIRE_FALSE(world.has("web"));
    world.effects.logs_kept["web"] = {"web", "web:1"};
    using Read = std::vector<std::pair<std::string, std::string>>;
    world.ask<LogsReply>(LogsRequest{.targets = these({"api", "web"})});
    CHECK(world.effects.logs_read == Read{{"api", "api"}, {"web", "web"}, {"web:1", "web:1"}});
    const auto events = world.ask<EventsReply>(EventsRequest{.targets = these({"web"}), .lines = 10});
    REQUIRE_FALSE(events.events.empty());
    for (const EventRow& each : events.events) CHECK(each.name == "web");
    // Each once, however often it is named.
    world.ask<LogsReply>(LogsRequest{.targets = these({"ap*", "api", "web", "web"})});
    CHECK(world.effects.logs_read == Read{{"api", "api"}, {"web", "web"}, {"web:1", "web:1"}});
    CHECK(world.refusal(EventsRequest{.targets = these({""})}).kind == ErrorKind::NotFound);
    // A typo is one.
    const auto refused = world.refusal(LogsRequest{.targets = these({"web", "wep"})});
    CHECK(refused.kind == ErrorKind::NotFound);
    CHECK(refused.message.find("'web'") == std::string::npos);
    CHECK(world.refusal(EventsRequest{.targets = these({"wep"})}).kind == ErrorKind::NotFound);
}

TEST_CASE("a status in full is that of one replica") {
    World world;
    InstanceSpec web = service("web");
    web.replicas = 2;
    world.apply({service("api"), web});
    world.run_for(1s);
    world.effects.logs.lines = {{"api", {}, false, false, "last words"}};
    StatusRequest request{these({"api"}), 0, {}, true};
    const auto reply = world.ask<StatusReply>(request);
    REQUIRE(reply.one);
    CHECK(reply.one->row == reply.rows[0]);
    CHECK(reply.one->command.front() == "/srv/app");
    REQUIRE(reply.one->logs.size() == 1);
    CHECK(reply.one->logs[0].text == "last words");
    request.targets = these({"web"});
    CHECK_FALSE(world.ask<StatusReply>(request).one);
    CHECK(world.ask<StatusReply>(request).rows.size() == 2);
    request.targets = these({"api"});
    request.in_full = false;
    CHECK_FALSE(world.ask<StatusReply>(request).one);
}

TEST_CASE("a status that follows is parked until something it asks for changes") {
    World world;
    world.apply({service("api"), service("web")});
    world.run_for(1s);
    StatusRequest follow{these({"web"}), world.supervisor().roster().generation(), 10s};
    CHECK_FALSE(world.try_ask(follow, true));
    CHECK(world.ask<StatusReply>(follow).rows.empty());  // its time is up
    world.stop({"api"});
    CHECK_FALSE(world.try_ask(follow, true));
    world.stop({"web"});
    auto answer = world.try_ask(follow, true);
    REQUIRE(answer);
    const auto reply = std::get<StatusReply>(**answer);
    CHECK(names(reply) == Names{"web"});
    follow.since = reply.generation;
    CHECK_FALSE(world.try_ask(follow, true));
    world.run_for(1s);
    CHECK(world.try_ask(follow, true));
    // A number of an earlier supervisor is no reason to wait for ever.
    follow.since = 1'000'000;
    answer = world.try_ask(follow, true);
    REQUIRE(answer);
    CHECK(names(std::get<StatusReply>(**answer)) == Names{"web"});
}

TEST_CASE("who follows is told which names are gone") {
    World world;
    world.apply({service("api"), service("web")});
    world.run_for(1s);
    StatusRequest follow{these({"web", "api"}), world.supervisor().roster().generation(), 10s};
    world.apply({service("api")});
    world.run_for(1s);
    const auto reply = world.ask<StatusReply>(follow);
    CHECK(reply.gone == Names{"web"});
    CHECK(names(reply).empty());
    follow.since = reply.generation;
    CHECK_FALSE(world.try_ask(follow, true));
}

TEST_CASE("start pulls in what it needs, and says so") {
    World world;
    world.apply({service("c-db"), needing(service("b-api"), {"c-db"}), needing(service("a-web"), {"b-api"}),
                 service("other")});
    world.run_for(1s);
    world.stop({"a-web", "b-api", "c-db", "other"});
    world.run_for(1s);
    const auto reply = world.start({"a-web"});
    REQUIRE(reply.items.size() == 3);
    CHECK(reply.items[0].name == "c-db");
    CHECK(reply.items[0].note == "needed by another");
    CHECK(reply.items[2].name == "a-web");
    CHECK(reply.items[2].run != 0);
    CHECK(world.run_until_phase("a-web", Phase::Running));
    CHECK(world.phase("other") == Phase::Stopped);
    const auto again = world.start({"a-web"});
    REQUIRE(again.items.size() == 1);
    CHECK(again.items[0].note == "was running already");
    CHECK(world.effects.starts("a-web") == 2);
}

TEST_CASE("start refuses what is disabled, itself or what it needs, and then starts nothing") {
    World world;
    InstanceSpec db = service("db");
    db.enabled = false;
    world.apply({db, needing(service("web"), {"db"}), service("api")});
    world.run_for(1s);
    CHECK(world.refusal(StartRequest{these({"db"})}).message ==
          "'db' is disabled: set enabled = true in its configuration and reload");
    world.stop({"web", "api"});
    world.run_for(1s);
    CHECK(world.refusal(StartRequest{these({"api", "web"})}).message.starts_with("'db', which is needed,"));
    CHECK(world.phase("api") == Phase::Stopped);
    CHECK(world.refusal(RestartRequest{these({"db"})}).message.starts_with("'db' is disabled: "));
}

TEST_CASE("start does not call back a replica that leaves") {
    World world;
    InstanceSpec db = service("db");
    db.replicas = 2;
    world.app("db:1").stop_takes = 5s;
    world.apply({db, needing(service("web"), {"db"})});
    world.run_for(1s);
    world.stop({"web"});
    world.run_for(1s);
    world.scale("db", 1);
    world.start({"web"});
    CHECK(world.run_until_phase("web", Phase::Running));
    world.run_for(10s);
    CHECK(world.names() == Names{"db", "web"});
    CHECK(world.effects.starts("db:1") == 1);
}

TEST_CASE("stop and restart") {
    World world;
    world.apply({service("api"), service("web")});
    world.run_for(1s);
    const auto stopped = world.stop({"web"});
    CHECK(stopped.items[0].run == world.member("web").replica.run->number);
    world.run_for(1s);
    CHECK(world.stop({"web"}).items[0].note == "was not running");
    const auto restarted = world.restart({"api", "web"});
    CHECK(restarted.items.size() == 2);
    world.run_for(1s);
    CHECK(world.effects.starts("api") == 2);
    CHECK(world.phase("web") == Phase::Running);
    CHECK(world.row("web").restarts == 0);
    CHECK(world.refusal(StopRequest{}).kind == ErrorKind::Invalid);
    CHECK(world.refusal(StopRequest{these({"nobody"})}).kind == ErrorKind::NotFound);
}

TEST_CASE("signal, reset") {
    World world;
    world.apply({service("api"), service("web")});
    world.run_for(1s);
    world.ask<ActionReply>(SignalRequest{"HUP", these({"web"})});
    CHECK(world.effects.process("web")->signals == std::vector<int>{SIGHUP});
    CHECK(world.refusal(SignalRequest{"NONE", these({"web"})}).kind == ErrorKind::Invalid);
    world.stop({"api"});
    world.run_for(1s);
    CHECK(world.refusal(SignalRequest{"HUP", these({"api", "web"})}).message ==
          "no process to signal: 'api' not running");
    CHECK(world.effects.process("web")->signals.size() == 1);
    world.app("web").spawn_fails = SpawnFailure{"exec: No such file or directory", false};
    world.kill("web");
    world.run_for(1h);
    CHECK(world.row("web").outlook == Outlook::Stuck);
    world.app("web").spawn_fails.reset();
    world.ask<ActionReply>(ResetRequest{these({"web"})});
    CHECK(world.run_until_phase("web", Phase::Running, 1s));
    CHECK(world.member("web").replica.failures == 0);
}

TEST_CASE("describe, why and hints") {
    World world;
    world.app("web").exits_after = 1s;
    world.apply({service("web")});
    world.run_for(20min);
    const auto reply = world.ask<DescribeReply>(DescribeRequest{"web"});
    CHECK(reply.command.front() == "/srv/app");
    CHECK(reply.working_dir == "/srv");
    CHECK(reply.log_path == "/var/lib/pmctl/logs/web");
    CHECK(reply.next_action.starts_with("one trial start in "));
    REQUIRE(reply.hints.size() == 3);
    CHECK(reply.hints[2].first == "pmctl reset web");
    const auto why = world.ask<WhyReply>(WhyRequest{"web"});
    REQUIRE(why.story.size() > 5);
    CHECK(why.story.size() <= 60);
    for (std::size_t i = 1; i < why.story.size(); ++i) CHECK(why.story[i - 1].number < why.story[i].number);
    CHECK(why.story.front().text.starts_with("Stopped → Starting (pid "));
    CHECK(world.refusal(DescribeRequest{"wbe"}).message == "no instance 'wbe', did you mean 'web'?");
}

TEST_CASE("events by cursor: nothing lost, nothing twice, parked when there is nothing new") {
    World world;
    world.app("web").exits_after = 100ms;
    world.apply({service("api"), service("web")});
    std::uint64_t cursor = 0;
    std::vector<std::uint64_t> seen;
    for (int i = 0; i < 50; ++i) {
        world.run_for(1min);
        const auto reply = world.ask<EventsReply>(EventsRequest{these({"web"}), cursor});
        for (const EventRow& each : reply.events) {
            CHECK(each.name == "web");
            seen.push_back(each.number);
        }
        cursor = reply.cursor;
    }
    CHECK(seen.size() > 40);
    CHECK(std::is_sorted(seen.begin(), seen.end()));
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    world.stop({"web"});
    world.run_for(1s);
    cursor = world.ask<EventsReply>(EventsRequest{{}, cursor}).cursor;
    CHECK_FALSE(world.try_ask(EventsRequest{{}, cursor, std::nullopt, 1s}, true));
    CHECK(world.ask<EventsReply>(EventsRequest{{}, 0, 3}).events.size() == 3);
    CHECK(world.refusal(EventsRequest{these({"none"})}).kind == ErrorKind::NotFound);
}

TEST_CASE("logs are parked until there are lines") {
    World world;
    world.apply({service("web")});
    // Where to begin is decided at once; what follows from there is waited for.
    CHECK(world.try_ask(LogsRequest{}, true));
    LogsRequest further;
    further.cursor = "web=0";
    CHECK_FALSE(world.try_ask(further, true));
    CHECK(world.try_ask(further, false));
    world.effects.logs.lines.push_back({"web", {}, false, false, "hello"});
    CHECK(world.try_ask(further, true));
    CHECK(world.refusal(LogsRequest{these({"none"})}).kind == ErrorKind::NotFound);
}

TEST_CASE("a supervisor that stops takes no more orders, and says so") {
    World world;
    world.app("web").stop_takes = 5s;
    world.apply({service("web")});
    world.run_for(1s);
    const auto down = world.ask<ActionReply>(DownRequest{});
    CHECK(down.items.size() == 1);
    for (const Request& request :
         {Request(StartRequest{these({"web"})}), Request(StopRequest{these({"web"})}),
          Request(RestartRequest{these({"web"})}), Request(ReloadRequest{}),
          Request(ScaleRequest{{{"web", 2}}}), Request(ResetRequest{these({"web"})}),
          Request(SignalRequest{"HUP", these({"web"})})}) {
        CHECK(world.refusal(request).message == "the supervisor is stopping");
    }
    CHECK(world.ask<StatusReply>(StatusRequest{}).notice == "the supervisor is stopping");
    REQUIRE(world.run_until(10s, [&] { return world.effects.is_finished; }));
    CHECK(world.effects.starts("web") == 1);
    CHECK(world.supervisor().journal().events().back().text == "every instance has stopped");
}
