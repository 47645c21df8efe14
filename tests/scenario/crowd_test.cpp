// A thousand instances: what an event costs does not grow with their number.
#include "tests/scenario/world.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

constexpr int crowd = 1000;

std::string id(int i) {
    return "app" + std::to_string(10'000 + i);
}

std::vector<InstanceSpec> specs() {
    std::vector<InstanceSpec> all;
    for (int i = 0; i < crowd; ++i) all.push_back(service(id(i)));
    return all;
}

struct Counts {
    std::size_t randoms;
    std::size_t ports;
    std::size_t publishes;
    std::uint64_t generation;
};

Counts counts(World& world) {
    return {world.effects.randoms, world.effects.port_questions, world.effects.publishes,
            world.supervisor().roster().generation()};
}

std::size_t running(World& world) {
    std::size_t found = 0;
    for (auto& [name, instance] : world.supervisor().roster().instances())
        found += phase_of(instance.members.front()->replica) == Phase::Running ? 1 : 0;
    return found;
}

}  // namespace

TEST_CASE("a thousand start, die at once, are changed and stop, each event at its own cost") {
    World world;
    world.checks_everything = false;
    world.effects.keeps_records = false;
    world.effects.few_processes = false;
    world.effects.dice = {0.1, 0.9, 0.4, 0.7, 0.2};
    Config config = config_of(specs());
    config.ports = {20000, 29999};
    Counts before = counts(world);
    world.apply(config);
    Counts after = counts(world);
    CHECK(world.effects.live.size() == crowd);
    CHECK(after.randoms - before.randoms <= 10 * crowd);
    CHECK(after.ports - before.ports == crowd);
    CHECK(after.publishes - before.publishes == 1);
    world.run_for(1s);
    CHECK(running(world) == crowd);
    CHECK(world.broken() == "");

    before = counts(world);
    world.kill(id(500));
    world.run_for(100ms);
    after = counts(world);
    CHECK(running(world) == crowd);
    CHECK(after.randoms - before.randoms < 30);
    CHECK(after.ports - before.ports < 5);
    CHECK(after.generation - before.generation < 10);

    before = counts(world);
    std::vector<RunNumber> runs;
    for (const auto& [run, process] : world.effects.live) runs.push_back(run);
    for (const RunNumber run : runs)
        world.effects.exit_at(world.time(), run, {ExitStatus::Kind::Signal, SIGKILL});
    world.run_for(1500ms);  // the one that was killed before waits a second
    after = counts(world);
    CHECK(running(world) == crowd);
    CHECK(after.randoms - before.randoms <= 20 * crowd);
    CHECK(after.ports - before.ports <= 3 * crowd);
    CHECK(after.generation - before.generation <= 6 * crowd);
    CHECK(world.broken() == "");

    before = counts(world);
    world.apply(config);  // the same again
    after = counts(world);
    CHECK(after.generation == before.generation);
    CHECK(after.ports == before.ports);
    CHECK(after.randoms - before.randoms <= 2 * crowd);

    auto other = specs();
    for (int i = 0; i < crowd; i += 2) other[static_cast<std::size_t>(i)].process.command = {"/srv/new"};
    Config half = config_of(other);
    half.ports = {20000, 29999};
    world.apply(half);
    world.run_for(2s);
    CHECK(running(world) == crowd);
    CHECK(world.effects.starts(id(0)) == 3);
    CHECK(world.effects.starts(id(1)) == 2);
    CHECK(world.broken() == "");

    world.apply(config_of({}));
    world.run_for(1s);
    CHECK(world.supervisor().roster().instances().empty());
    CHECK(world.supervisor().ports().held().empty());
    CHECK(world.broken() == "");
}

TEST_CASE("checks of a crowd are spread over the interval and gathered in slots") {
    World world;
    world.checks_everything = false;
    world.effects.keeps_records = false;
    world.effects.few_processes = false;
    world.effects.dice.clear();
    for (int i = 0; i < 97; ++i) world.effects.dice.push_back(i / 97.0);
    world.apply(specs());
    world.run_for(30s);
    const std::size_t made = world.effects.checks_made;
    std::size_t most = 0;
    for (int i = 0; i < 50; ++i) {
        const std::size_t at = world.effects.checks_made;
        world.run_for(100ms);
        most = std::max(most, world.effects.checks_made - at);
    }
    CHECK(world.effects.checks_made - made >= crowd - 10);
    CHECK(world.effects.checks_made - made <= crowd + 10);
    CHECK(most < crowd / 5);
}

TEST_CASE("nothing is woken when nothing is to be done") {
    World world;
    world.checks_everything = false;
    std::vector<InstanceSpec> all;
    for (int i = 0; i < crowd; ++i) all.push_back(worker(id(i)));
    world.apply(all);
    world.run_for(1s);
    const std::size_t events = world.events;
    CHECK(world.effects.wake == TimePoint::max());
    world.run_for(24h);
    CHECK(world.events == events);
}

TEST_CASE("a thousand who wait for two ports each get their turn, one release at a time") {
    World world;
    world.checks_everything = false;
    world.effects.keeps_records = false;
    Config config = config_of(specs());
    config.ports = {30000, 30001};
    world.apply(config);
    world.run_for(1s);
    CHECK(running(world) == 2);
    const std::size_t starts = world.effects.randoms;
    world.stop({id(0)});
    world.run_for(500ms);
    CHECK(running(world) == 2);
    CHECK(world.phase(id(2)) == Phase::Running);
    CHECK(world.effects.randoms - starts < 50);
    CHECK(world.broken() == "");
}
