// Instances that come from an admin service: what its answers, its silence and its faults make of the
// processes.
#include "tests/scenario/fake_admin.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

const std::string usual = R"(
[admin]
url = "https://admin.internal"
secret_file = "secret"
[apps.shop]
command = ["/srv/shop", "--port", "${PORT}"]
[instances.db]
command = ["/srv/db"]
port = "none"
)";

Config config_from(const std::string& text) {
    LoadedConfig loaded = load(text);
    if (!loaded.config) FAIL(problems_of(loaded));
    return *loaded.config;
}

// The texts of all events of this kind.
std::vector<std::string> told(World& world, const std::string& kind = "admin") {
    std::vector<std::string> texts;
    for (const Event& each : world.supervisor().journal().events()) {
        if (each.kind == kind) texts.push_back(each.text);
    }
    return texts;
}

bool was_told(World& world, const std::string& words) {
    for (const std::string& each : told(world)) {
        if (each.find(words) != std::string::npos) return true;
    }
    return false;
}

// What a next supervisor of this store would find.
Inheritance left_by(World& world) {
    Inheritance left;
    left.next_run = 1000;
    left.next_event = 1000;
    for (const StoreWrite& write : world.effects.writes) {
        if (write.kind == StoreWrite::Kind::SetAdmin) left.admin = write.admin;
    }
    return left;
}

using Texts_ = std::vector<std::string>;

}  // namespace

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
    Texts_ texts = told(world);
    REQUIRE(texts.size() == 2);
    CHECK(texts.back() ==
          "admin service unreachable (connection refused): the last good state stays in force");
    const auto outage = world.ask<StatusReply>(StatusRequest{}).admin;
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
    const auto port = world.member("z-admin").port;
    CHECK(world.ask<AdminReply>(AdminRequest{}).url == "http://127.0.0.1:" + std::to_string(port));

    // Its port is taken over by a stranger while it is down.
    admin.go_down();
    world.effects.strangers.insert(port);
    world.kill("z-admin");
    CHECK(world.ask<AdminReply>(AdminRequest{}).mode == "waiting");
    REQUIRE(world.run_until_phase("z-admin", Phase::Running));
    admin.up = true;
    const auto other = world.member("z-admin").port;
    CHECK(world.ask<AdminReply>(AdminRequest{}).url == "http://127.0.0.1:" + std::to_string(other));
    CHECK(world.phase("web") == Phase::Running);
    CHECK(world.effects.starts("web") == 1);
    admin.only_at = "http://127.0.0.1:" + std::to_string(other);
    world.run_for(5s);
    admin.set("late");
    CHECK(world.run_until(3ms, [&] { return world.effects.process("late") != nullptr; }));
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
    CHECK(world.row("web").hostnames == Texts_{"mine.localhost"});
    CHECK(world.row("web").origin == "both");
    world.apply(config_from(usual));
    CHECK(world.row("web").hostnames == Texts_{"web.localhost"});
    CHECK(world.row("web").origin == "admin");
    const auto values = world.ask<ConfigReply>(ConfigRequest{"web", false}).values;
    bool found = false;
    for (const ConfigValue& each : values)
        found = found || (each.key == "instances.web.hostname" && each.source == "admin event 1");
    CHECK(found);
    CHECK(world.effects.starts("web") == 1);
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
