// What is wanted and has no process when a supervisor ends: the next one goes on with its pause, its count,
// its port, and does not run again what has done its work.
#include "supervisor/core/spec_fingerprint.hpp"
#include "tests/scenario/world.hpp"

namespace pmctl::test {

namespace {

// What the store of this world has of such replicas.
std::map<std::string, RestRecord> rests_in(const World& world) {
    std::map<std::string, RestRecord> found;
    for (const StoreWrite& write : world.effects.writes) {
        if (write.kind == StoreWrite::Kind::SetRest) found[write.rest->instance] = *write.rest;
        if (write.kind == StoreWrite::Kind::RunStarted) found.erase(write.run.instance);
        if (write.kind == StoreWrite::Kind::ClearRests) found.clear();
    }
    return found;
}

Inheritance left_in(const World& world) {
    Inheritance left;
    left.next_run = 1000;
    for (const auto& [id, rest] : rests_in(world)) left.rests.push_back(rest);
    return left;
}

// The clock goes on where the earlier world's stood.
void set_clock(World& world, const World& earlier) {
    world.effects.time = earlier.effects.time;
}

}  // namespace

TEST_CASE("A pause goes on: the same moment, failures and restarts; then it starts") {
    World first;
    first.app("web").exits_after = 10ms;
    InstanceSpec web = service("web");
    web.policy.restart.backoff_initial = 10s;
    web.policy.restart.backoff_max = 10s;
    first.apply({web});
    REQUIRE(first.run_until(1min, [&] { return first.row("web").restarts == 3; }));
    const StatusRow before = first.row("web");
    REQUIRE(before.next_start_at);

    World second(left_in(first));
    set_clock(second, first);
    second.effects.time += 1s;
    second.apply({web});
    const StatusRow after = second.row("web");
    CHECK(after.state == "Failed");
    CHECK(after.restarts == 3);
    CHECK(after.next_start_at == before.next_start_at);
    CHECK(after.port == before.port);
    CHECK(second.member("web").replica.failures == first.member("web").replica.failures);
    CHECK(second.effects.starts("web") == 0);
    second.run_for(10s);
    CHECK(second.effects.starts("web") == 1);
    CHECK(second.row("web").state == "Running");
    CHECK(rests_in(second).empty());
}

TEST_CASE(
    "A pause that is over meanwhile is over, and a clock that was set back makes it no longer than ever") {
    World first;
    first.app("web").exits_after = 10ms;
    InstanceSpec web = service("web");
    web.policy.restart.backoff_initial = 10s;
    web.policy.restart.backoff_max = 10s;
    web.policy.restart.circuit_cooldown = 20s;
    first.apply({web});
    REQUIRE(first.run_until(1min, [&] { return first.row("web").restarts == 2; }));

    World late(left_in(first));
    set_clock(late, first);
    late.effects.time += 1h;
    late.apply({web});
    CHECK(late.effects.starts("web") == 1);

    // As if it were not due for a day.
    Inheritance left = left_in(first);
    for (RestRecord& each : left.rests) each.next_start_at += 24h;
    World early(left);
    early.apply({web});
    CHECK(early.effects.starts("web") == 0);
    early.run_for(20s);
    CHECK(early.effects.starts("web") == 1);
}

TEST_CASE("A job that is done is not done again, unless it is another one or the supervisor ended in order") {
    World first;
    InstanceSpec job = worker("job");
    job.policy.restart.mode = RestartMode::OnFailure;
    first.app("job").exits_after = 10ms;
    first.app("job").exit = {ExitStatus::Kind::Code, 0};
    first.apply({job});
    first.run_for(1s);
    REQUIRE(first.row("job").state == "Stopped");
    const Inheritance left = left_in(first);

    World second(left);
    second.apply({job});
    second.run_for(1h);
    CHECK(second.effects.starts("job") == 0);
    CHECK(second.row("job").state == "Stopped");
    CHECK(second.row("job").outlook == Outlook::Settled);
    CHECK(second.reason("job") == first.reason("job"));
    // An operator may ask for it all the same.
    second.start({"job"});
    CHECK(second.effects.starts("job") == 1);

    World other(left);
    InstanceSpec changed = job;
    changed.process.command.push_back("--again");
    other.apply({changed});
    CHECK(other.effects.starts("job") == 1);

    World always(left);
    job.policy.restart.mode = RestartMode::Always;
    always.apply({job});
    CHECK(always.effects.starts("job") == 1);

    first.supervisor().finish(false, "stops", first.now());
    CHECK(left_in(first).rests.empty());
}

TEST_CASE("What has failed goes on by the restart policy that is configured now") {
    InstanceSpec web = service("web");
    web.policy.restart.backoff_initial = 1h;
    web.policy.restart.backoff_max = 1h;
    const auto with = [&web](RestartMode mode) {
        web.policy.restart.mode = mode;
        return web;
    };
    World first;
    first.app("web").exits_after = 10ms;
    SUBCASE("it waited, and is not to be started again") {
        first.apply({with(RestartMode::Always)});
        REQUIRE(first.run_until(1min, [&] { return first.phase("web") == Phase::Failed; }));
        World second(left_in(first));
        set_clock(second, first);
        second.apply({with(RestartMode::Never)});
        CHECK(second.phase("web") == Phase::Failed);
        second.run_for(2h);
        CHECK(second.effects.starts("web") == 0);
    }
    SUBCASE("it was given up, and is to be started") {
        first.apply({with(RestartMode::Never)});
        REQUIRE(first.run_until(1min, [&] { return first.phase("web") == Phase::Failed; }));
        World second(left_in(first));
        set_clock(second, first);
        second.apply({with(RestartMode::Always)});
        second.run_for(1s);
        CHECK(second.phase("web") == Phase::Running);
    }
}

TEST_CASE("A socket that is kept while its program waits is kept by the next supervisor") {
    World first;
    first.app("web").exits_after = 10ms;
    InstanceSpec web = service("web");
    web.process.socket_activation = true;
    web.policy.restart.backoff_initial = 10s;
    first.apply({web});
    REQUIRE(first.run_until(1min, [&] { return first.row("web").restarts == 2; }));
    const auto port = first.row("web").port;
    REQUIRE(port);

    World second(left_in(first));
    set_clock(second, first);
    second.apply({web});
    CHECK(second.effects.kept_listeners == std::set<std::uint16_t>{*port});
    second.run_for(20s);
    CHECK(second.row("web").port == port);
}

TEST_CASE("What an operator stopped stays stopped, whatever it did before") {
    World first;
    first.app("web").exits_after = 10ms;
    InstanceSpec web = service("web");
    web.policy.restart.backoff_initial = 10s;
    first.apply({web});
    REQUIRE(first.run_until(1min, [&] { return first.row("web").restarts == 2; }));
    first.stop({"web"});
    Inheritance left = left_in(first);
    left.intentions.push_back({"web", 0, Wanted::Stopped});
    World second(left);
    second.apply({web});
    second.run_for(1h);
    CHECK(second.effects.starts("web") == 0);
    CHECK(second.row("web").wanted == "stopped");
}

}  // namespace pmctl::test
