// Replicas by an operator's word, and intentions that outlast the supervisor.
#include "tests/scenario/world.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

using Names = std::vector<std::string>;

std::size_t stored(const World& world, StoreWrite::Kind kind) {
    return static_cast<std::size_t>(std::count_if(world.effects.writes.begin(), world.effects.writes.end(),
                                                  [&](const StoreWrite& each) { return each.kind == kind; }));
}

}  // namespace

TEST_CASE("an operator scales up and down, and a reload goes back to what is configured") {
    World world;
    world.apply({service("web")});
    world.run_for(1s);
    const auto reply = world.scale("web", 3);
    CHECK(reply.items.size() == 3);
    CHECK(world.names() == Names{"web:0", "web:1", "web:2"});
    world.run_for(1s);
    for (const char* name : {"web:0", "web:1", "web:2"}) CHECK(world.phase(name) == Phase::Running);
    world.scale("web", 2);
    world.run_for(1s);
    CHECK(world.names() == Names{"web:0", "web:1"});
    world.scale("web", 1);
    CHECK(world.names() == Names{"web", "web:1"});
    world.scale("web", 2);  // called off while it leaves
    world.run_for(1s);
    CHECK(world.names() == Names{"web:0", "web:1"});
    CHECK(world.phase("web:1") == Phase::Running);
    world.apply({service("web")});
    world.run_for(1s);
    CHECK(world.names() == Names{"web"});
    CHECK(world.effects.starts("web") == 1);
    CHECK(stored(world, StoreWrite::Kind::SetScale) == 4);
    CHECK(stored(world, StoreWrite::Kind::ClearScales) == 1);
}

TEST_CASE("scaled to nothing and back") {
    World world;
    world.apply({service("web")});
    world.run_for(1s);
    world.scale("web", 0);
    world.run_for(1s);
    CHECK(world.names().empty());
    CHECK(world.ask<StatusReply>(StatusRequest{{{"web"}, false}}).rows.empty());
    CHECK(world.refusal(DescribeRequest{"web"}).message == "'web' has no replicas");
    CHECK(world.refusal(WhyRequest{"web"}).kind == ErrorKind::NotFound);
    world.scale("web", 2);
    world.run_for(1s);
    CHECK(world.phase("web:1") == Phase::Running);
}

TEST_CASE("what scaling refuses") {
    World world;
    world.apply({with_fixed_port(service("db"), 5432), service("web")});
    world.run_for(1s);
    CHECK(world.refusal(ScaleRequest{{{"db", 2}}}).kind == ErrorKind::Invalid);
    CHECK(world.refusal(ScaleRequest{{{"web", 1001}}}).kind == ErrorKind::Invalid);
    CHECK(world.refusal(ScaleRequest{{{"wbe", 2}}}).message == "no instance 'wbe', did you mean 'web'?");
    CHECK(world.refusal(ScaleRequest{{{"web:0", 2}}}).kind == ErrorKind::Invalid);
    CHECK(world.refusal(ScaleRequest{{{"web", 2}, {"none", 2}}}).kind == ErrorKind::NotFound);
    CHECK(world.names() == Names{"db", "web"});
    world.app("web").stop_takes = 5s;
    world.apply({with_fixed_port(service("db"), 5432)});
    CHECK(world.refusal(ScaleRequest{{{"web", 2}}}).kind == ErrorKind::NotFound);
}

TEST_CASE("a stop outlasts the supervisor, and so does a start of what does not start by itself") {
    World first;
    InstanceSpec manual = service("manual");
    manual.policy.autostart = false;
    first.apply({manual, service("web"), service("api")});
    first.run_for(1s);
    CHECK(first.reason("manual") == "autostart = false");
    first.stop({"web"});
    CHECK(first.effects.syncs == 1);
    first.start({"manual"});
    first.stop({"web"});  // once more: nothing new to store

    Inheritance left;
    for (const StoreWrite& each : first.effects.writes) {
        if (each.kind == StoreWrite::Kind::SetIntention) left.intentions.push_back(each.intention);
        if (each.kind == StoreWrite::Kind::SetNextRun) left.next_run = each.number;
    }
    CHECK(left.intentions.size() == 2);
    left.intentions.push_back({"gone", 0, Wanted::Stopped});
    World second(left);
    second.apply({manual, service("web"), service("api")});
    second.run_for(1s);
    CHECK(second.phase("web") == Phase::Stopped);
    CHECK(second.reason("web") == "stopped by an operator");
    CHECK(second.phase("manual") == Phase::Running);
    CHECK(second.phase("api") == Phase::Running);
    CHECK(second.member("api").replica.run->number >= left.next_run);
    CHECK(stored(second, StoreWrite::Kind::ForgetInstance) == 1);  // of 'gone'
    second.start({"web"});
    CHECK(second.run_until_phase("web", Phase::Running));
}

TEST_CASE("a scaling outlasts the supervisor, until its next reload") {
    Inheritance left;
    left.scales = {{"web", 2}};
    World world(left);
    world.apply({service("web")});
    CHECK(world.names() == Names{"web:0", "web:1"});
    CHECK(stored(world, StoreWrite::Kind::ClearScales) == 0);
    world.apply({service("web")});
    world.run_for(1s);
    CHECK(world.names() == Names{"web"});
    CHECK(stored(world, StoreWrite::Kind::ClearScales) == 1);
}

TEST_CASE("a replica that was stopped and scaled away comes back running") {
    World world;
    world.apply({service("web")});
    world.scale("web", 2);
    world.run_for(1s);
    world.stop({"web:1"});
    world.run_for(1s);
    world.scale("web", 1);
    world.run_for(1s);
    world.scale("web", 2);
    CHECK(world.run_until_phase("web:1", Phase::Running));
}

TEST_CASE("a reload keeps what an operator stopped") {
    World world;
    world.apply({service("web")});
    world.run_for(1s);
    world.stop({"web"});
    world.run_for(1s);
    InstanceSpec web = service("web");
    web.process.command = {"/srv/new"};
    world.apply({web});
    world.run_for(1min);
    CHECK(world.phase("web") == Phase::Stopped);
    CHECK(world.effects.starts("web") == 1);
}

TEST_CASE("one more of those that an operator has stopped is stopped like them") {
    World world;
    InstanceSpec web = service("web");
    web.replicas = 2;
    world.apply({web});
    world.run_for(1s);
    world.stop({"web"});
    world.run_for(1s);
    world.scale("web", 1);
    world.run_for(1s);
    world.scale("web", 3);
    world.run_for(1min);
    CHECK(world.effects.live.empty());
    CHECK(world.reason("web:2") == "stopped by an operator");
    world.start({"web"});
    world.run_for(1s);
    CHECK(world.effects.live.size() == 3);
    web.replicas = 4;
    world.stop({"web:0"});
    world.apply({web});
    world.run_for(1s);
    CHECK(world.effects.live.size() == 3);  // some run: the new one does, too
}

TEST_CASE("run numbers are promised before they are used, in blocks") {
    Inheritance left;
    left.next_run = 5000;
    World world(left);
    world.app("web").exits_after = 1s;
    world.apply({service("web")});
    world.run_for(24h);
    RunNumber promised = 0;
    std::size_t promises = 0;
    for (const StoreWrite& each : world.effects.writes) {
        if (each.kind == StoreWrite::Kind::SetNextRun) {
            promised = each.number;
            ++promises;
        }
        if (each.kind == StoreWrite::Kind::RunStarted) {
            REQUIRE(each.run.run >= 5000);
            REQUIRE(each.run.run < promised);
        }
    }
    CHECK(promises == 1);
}
