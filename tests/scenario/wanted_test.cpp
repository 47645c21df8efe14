// Who is started at all: by the configuration, by what depends on it, by those that a start named.
#include "tests/scenario/world.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

InstanceSpec manual(InstanceSpec spec) {
    spec.policy.autostart = false;
    return spec;
}

InstanceSpec on_demand(InstanceSpec spec) {
    spec.policy.on_demand = true;
    spec.hostnames = {spec.id + ".test"};
    return spec;
}

Inheritance only(std::vector<std::string> targets) {
    Inheritance left;
    left.only = std::move(targets);
    return left;
}

// "web start: replicas: 1 → 3"
std::vector<std::string> lines(const std::vector<PlanEntry>& plan) {
    std::vector<std::string> all;
    for (const PlanEntry& each : plan) {
        if (each.action != PlanAction::Keep)
            all.push_back(each.name + " " + std::string(to_text(each.action)) + ": " + each.reason);
    }
    return all;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("those that a start names are started with what they need, by id, group, glob or replica") {
    InstanceSpec front = service("front");
    front.policy.group = "web";
    front.replicas = 2;
    const std::vector<InstanceSpec> specs = {service("db"), needing(front, {"db"}), service("other")};
    for (const char* target : {"front", "@web", "fr*"}) {
        CAPTURE(target);
        World world(only({target}));
        world.apply(specs);
        CHECK(world.run_until_phase("front:1", Phase::Running));
        CHECK(world.phase("front:0") == Phase::Running);
        CHECK(world.phase("db") == Phase::Running);
        CHECK(world.phase("other") == Phase::Stopped);
        CHECK(world.reason("other") == "not among those that were asked for at first");
    }
    World world(only({"front:1"}));
    world.apply(specs);
    CHECK(world.run_until_phase("front:1", Phase::Running));
    CHECK(world.phase("front:0") == Phase::Stopped);
}

TEST_CASE("a reload starts the others, and its dry run says so") {
    World world(only({"web"}));
    const std::vector<InstanceSpec> specs = {service("api"), manual(service("tool")), service("web")};
    world.apply(specs);
    world.run_for(1s);
    // Another call that names some leaves the rest as it is.
    world.effects.config = config_of(specs);
    world.ask<ReloadReply>(ReloadRequest{false, true});
    world.run_for(1s);
    CHECK(world.phase("api") == Phase::Stopped);
    const Lines expected = {"api start: was not among those that were asked for at first"};
    CHECK(lines(world.supervisor().plan(config_of(specs))) == expected);
    CHECK(lines(world.apply(specs)) == expected);
    CHECK(world.run_until_phase("api", Phase::Running));
    CHECK(world.phase("tool") == Phase::Stopped);
    CHECK(world.effects.starts("web") == 1);
    CHECK(lines(world.apply(specs)).empty());
}

TEST_CASE(
    "what is needed is started although it does not start by itself, but for what an operator stopped") {
    World world;
    world.apply({manual(service("cache")), on_demand(service("db")), needing(manual(service("mid")), {"db"}),
                 needing(service("web"), {"cache", "mid"})});
    CHECK(world.run_until_phase("web", Phase::Running));
    for (const char* name : {"cache", "db", "mid"}) CHECK(world.phase(name) == Phase::Running);

    Inheritance left;
    left.intentions = {{"cache", 0, Wanted::Stopped}};
    World second(left);
    second.apply({manual(service("cache")), needing(service("web"), {"cache"})});
    second.run_for(10s);
    CHECK(second.phase("cache") == Phase::Stopped);
    CHECK(second.reason("web") == "waits for 'cache', which is stopped");
}

TEST_CASE("each dependency is looked at once, however many ways lead to it") {
    World world;
    world.checks_everything = false;
    std::vector<InstanceSpec> specs = {worker("top")};
    specs.front().policy.depends_on = {"a39", "b39"};
    for (int layer = 0; layer < 40; ++layer) {
        for (const char* side : {"a", "b"}) {
            InstanceSpec spec = manual(worker(side + std::to_string(layer)));
            const std::string below = std::to_string(layer - 1);
            if (layer > 0) spec.policy.depends_on = {"a" + below, "b" + below};
            specs.push_back(std::move(spec));
        }
    }
    world.apply(specs);
    CHECK(world.run_until_phase("top", Phase::Running));
    CHECK(world.effects.starts("a0") == 1);
}

TEST_CASE("who asks for what is being started because it is needed waits for it") {
    World world;
    world.app("db").healthy_after = 1s;
    world.apply({on_demand(service("db")), needing(on_demand(service("web")), {"db"})});
    world.supervisor().ask_route("web.test", world.now());
    const RouteAnswer answer = world.supervisor().ask_route("db.test", world.now());
    CHECK(answer.found.upstream == nullptr);
    CHECK(answer.hold_until > world.now().steady);
}

TEST_CASE("a question for a hostname starts what the asked one needs, too") {
    World world;
    world.apply({manual(service("db")), needing(on_demand(service("web")), {"db"})});
    world.run_for(1s);
    CHECK(world.phase("db") == Phase::Stopped);
    world.supervisor().ask_route("web.test", world.now());
    CHECK(world.run_until_phase("web", Phase::Running));
    CHECK(world.phase("db") == Phase::Running);
}

TEST_CASE("what the configuration kept at rest starts when it no longer does") {
    World world;
    const auto both = [](bool rests) {
        InstanceSpec tool = service("tool");
        tool.policy.autostart = !rests;
        InstanceSpec web = on_demand(service("web"));
        web.policy.on_demand = rests;
        return std::vector<InstanceSpec>{tool, web};
    };
    world.apply(both(true));
    world.run_for(1s);
    const Lines expected = {"tool start: autostart: false → true", "web start: on_demand: true → false"};
    CHECK(lines(world.supervisor().plan(config_of(both(false)))) == expected);
    CHECK(lines(world.apply(both(false))) == expected);
    CHECK(world.run_until_phase("tool", Phase::Running));
    CHECK(world.run_until_phase("web", Phase::Running));

    // One that an operator has stopped stays so, and is planned so.
    world.apply(both(true));
    world.stop({"tool"});
    world.run_for(1s);
    CHECK(lines(world.apply(both(false))) ==
          Lines{"tool update: autostart: false → true", "web update: on_demand: true → false"});
    world.run_for(1s);
    CHECK(world.phase("tool") == Phase::Stopped);
}

TEST_CASE("the reason for a rest is the one that there is") {
    World world;
    world.apply({on_demand(service("web"))});
    world.run_for(1s);
    CHECK(world.reason("web") == "on_demand = true");
    CHECK(lines(world.apply({manual(service("web"))})).size() == 1);
    world.run_for(1s);
    CHECK(world.phase("web") == Phase::Stopped);
    CHECK(world.reason("web") == "autostart = false");
}

TEST_CASE("enabling one that does not start by itself, or that an operator stopped, starts nothing") {
    World world;
    InstanceSpec off = service("tool");
    off.enabled = false;
    world.apply({off});
    CHECK(lines(world.apply({manual(service("tool"))}))
              .front()
              .starts_with("tool update: enabled: false → true"));
    world.run_for(1s);
    CHECK(world.phase("tool") == Phase::Stopped);
    CHECK(world.reason("tool") == "autostart = false");
    world.apply({service("tool")});
    CHECK(world.run_until_phase("tool", Phase::Running));
    world.stop({"tool"});
    world.run_for(1s);
    world.apply({off});
    CHECK(lines(world.apply({service("tool")})) ==
          Lines{"tool update: enabled: false → true, stopped by an operator"});
    CHECK(world.phase("tool") == Phase::Stopped);
}

TEST_CASE("one more replica of what runs is started, whoever started that") {
    World world;
    world.apply({manual(service("tool")), on_demand(service("web"))});
    world.run_for(1s);
    world.start({"tool"});
    world.supervisor().ask_route("web.test", world.now());
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.scale("tool", 3);
    world.scale("web", 2);
    CHECK(world.run_until_phase("tool:2", Phase::Running));
    CHECK(world.run_until_phase("web:1", Phase::Running));
    // The operator's word counts for them too, under the next supervisor as well; a question's does not.
    std::vector<std::uint32_t> kept;
    for (const StoreWrite& each : world.effects.writes) {
        if (each.kind != StoreWrite::Kind::SetIntention) continue;
        CHECK(each.intention.instance == "tool");
        CHECK(each.intention.wanted == Wanted::Running);
        kept.push_back(each.intention.replica);
    }
    CHECK(kept == std::vector<std::uint32_t>{0, 1, 2});

    World second;
    InstanceSpec more = manual(service("tool"));
    second.apply({more});
    second.run_for(1s);
    more.replicas = 2;
    CHECK(lines(second.apply({more})) == Lines{"tool:1 update: replicas: 1 → 2, autostart = false"});
    second.run_for(1s);
    CHECK(second.phase("tool:1") == Phase::Stopped);
    second.start({"tool"});
    second.run_for(1s);
    more.replicas = 3;
    CHECK(lines(second.apply({more})) == Lines{"tool:2 start: replicas: 2 → 3"});
    CHECK(second.run_until_phase("tool:2", Phase::Running));
}

TEST_CASE("an order for all of a kind passes over what is disabled or has no process") {
    World world;
    InstanceSpec off = service("off");
    off.enabled = false;
    world.apply({off, service("api"), service("web")});
    world.run_for(1s);
    const auto all = [](auto request) {
        request.targets.all = true;
        return request;
    };
    CHECK(world.ask<ActionReply>(all(RestartRequest{})).items.size() == 2);
    CHECK(world.ask<ActionReply>(all(StopRequest{})).items.size() == 2);
    world.run_for(1s);
    CHECK(world.refusal(all(SignalRequest{"HUP", {}})).message == "no process to signal: none of those runs");
    CHECK(world.ask<ActionReply>(all(StartRequest{})).items.size() == 2);
    world.run_for(1s);
    CHECK(world.ask<ActionReply>(all(SignalRequest{"HUP", {}})).items.size() == 2);
    // One that is named is not passed over.
    CHECK(world.refusal(SignalRequest{"HUP", {{"off", "web"}, false}}).message ==
          "no process to signal: 'off' not running");
    CHECK(world.refusal(RestartRequest{{{"off"}, false}}).message.starts_with("'off' is disabled"));
    // Its stop was not asked for: it starts once it is enabled.
    world.apply({service("off"), service("api"), service("web")});
    CHECK(world.run_until_phase("off", Phase::Running));
}

TEST_CASE("a restart starts what is needed and was stopped") {
    World world;
    world.apply({service("db"), needing(service("web"), {"db"})});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.stop({"db"});
    world.run_for(1s);
    const auto reply = world.restart({"web"});
    CHECK(reply.items.size() == 2);
    world.run_for(1s);
    CHECK(world.phase("db") == Phase::Running);
    CHECK(world.phase("web") == Phase::Running);
    CHECK(world.effects.starts("web") == 2);
}

TEST_CASE("a start while it stops begins with an empty budget, and says what comes") {
    World world;
    world.app("web").stop_takes = 5s;
    world.apply({service("web")});
    world.run_for(1s);
    world.member("web").replica.failures = 5;
    world.stop({"web"});
    world.start({"web"});
    CHECK(world.phase("web") == Phase::Stopping);
    CHECK(world.reason("web").starts_with("to be started again; SIGKILL"));
    CHECK(world.member("web").replica.failures == 0);
    CHECK(world.run_until_phase("web", Phase::Running));
}
