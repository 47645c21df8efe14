// Everything at random, for a long time: orders, reloads, crashes, checks, lost ports. After each event
// nothing is wrong; and when the world leaves it alone, everything comes to be as it is wanted.
#include <random>

#include "tests/scenario/world.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

class Walk {
  public:
    explicit Walk(std::uint64_t seed) : random_(seed) {
        world.effects.keeps_records = false;
        world.effects.dice = {0.1, 0.8, 0.5};
        world.apply(some_config());
    }

    void step() {
        switch (dice(24)) {
            case 0: world.apply(some_config()); break;
            case 1:
            case 2: order(StartRequest{some_targets()}); break;
            case 3:
            case 4: order(StopRequest{some_targets()}); break;
            case 5: order(RestartRequest{some_targets(), dice(2) == 0}); break;
            case 6: order(ResetRequest{some_targets()}); break;
            case 7: order(ScaleRequest{{{id(dice(count)), static_cast<std::uint32_t>(dice(4))}}}); break;
            case 8:
            case 9:
            case 10: crash(); break;
            case 11: behave(); break;
            case 12: {
                const auto port = static_cast<std::uint16_t>(30000 + dice(8));
                if (!world.effects.strangers.erase(port) && dice(2) == 0)
                    world.effects.strangers.insert(port);
                break;
            }
            case 13: order(SignalRequest{"HUP", some_targets()}); break;
            case 14: read_routes(); break;
            case 15: world.supervisor().ask_route(id(dice(count)) + ".test", world.now()); break;
            case 16: {  // versions are good or bad, all replicas of them
                Behaviour& how = world.effects.programs["/srv/v" + std::to_string(dice(3))];
                how = {};
                if (dice(3) == 0) how.healthy_after = 1h;
                if (dice(3) == 0) how.exits_after = Duration(dice(5) * 1'000'000'000);
                break;
            }
            default: world.run_for(Duration(dice(1'000'000'000) * (dice(30) == 0 ? 400 : 3))); break;
        }
        if (dice(16) == 0) ask_everything();
    }

    // The world is kind from now on.
    void calm_down() {
        for (auto& [name, behaviour] : world.effects.behaviours) behaviour = {};
        world.effects.programs.clear();
        world.effects.routes_seen_by_all = UINT64_MAX;
        world.effects.strangers.clear();
        Config config = some_config();
        config.ports = {30000, 30100};
        world.apply(config);
        world.run_for(1h);
        order(ResetRequest{{{}, true}});  // updates that have failed are tried again
        world.run_for(1h);
    }

    World world;

  private:
    static constexpr std::uint64_t count = 7;

    std::uint64_t dice(std::uint64_t sides) { return random_() % sides; }
    static std::string id(std::uint64_t i) { return std::string(1, static_cast<char>('a' + i)); }

    // Each depends on ones that come later in the alphabet, or earlier: never round in a circle.
    Config some_config() {
        std::vector<InstanceSpec> specs;
        const bool backwards = dice(2) == 0;
        std::vector<std::string> there;
        for (std::uint64_t n = 0; n < count; ++n) {
            const std::uint64_t i = backwards ? count - 1 - n : n;
            if (dice(6) == 0) continue;
            InstanceSpec spec = dice(4) == 0 ? worker(id(i)) : service(id(i));
            for (const std::string& other : there) {
                if (dice(4) == 0) spec.policy.depends_on.push_back(other);
            }
            there.push_back(spec.id);
            spec.enabled = dice(8) != 0;
            spec.policy.autostart = dice(8) != 0;
            spec.replicas = dice(3) == 0 ? static_cast<std::uint32_t>(dice(4)) : 1;
            if (dice(2) == 0) spec.process.command.front() = "/srv/v" + std::to_string(dice(3));
            spec.hostnames = {spec.id + ".test"};
            spec.policy.update.strategy = dice(5) == 0 ? UpdateStrategy::Recreate : UpdateStrategy::Rolling;
            spec.policy.update.timeout = Duration(1s) + Duration(dice(9) * 1'000'000'000);
            spec.policy.update.drain = Duration(dice(4) * 2'000'000'000);
            spec.policy.restart.mode = static_cast<RestartMode>(dice(4) == 0 ? dice(3) : 0);
            spec.policy.restart.circuit_failures = dice(2) == 0 ? 3 : 8;
            spec.policy.health.interval = dice(2) == 0 ? Duration(500ms) : Duration(5s);
            spec.policy.health.startup_timeout = 3s;
            spec.policy.stop_timeout = 2s;
            if (spec.process.port.kind == PortWish::Kind::Auto) {
                spec.process.socket_activation = dice(6) == 0;
                if (dice(5) == 0 && spec.replicas <= 1)
                    spec = with_fixed_port(spec, static_cast<std::uint16_t>(8080 + i));
            }
            specs.push_back(std::move(spec));
        }
        Config config = config_of(specs);
        config.ports = {30000, static_cast<std::uint16_t>(30002 + dice(6))};
        return config;
    }

    Targets some_targets() {
        const auto names = world.names();
        if (names.empty() || dice(8) == 0) return {{}, true};
        Targets targets;
        for (std::uint64_t i = 0; i <= dice(3); ++i) targets.names.push_back(names[dice(names.size())]);
        return targets;
    }
    void order(const Request& request) {
        // A refusal is an answer too.
        REQUIRE(world.try_ask(request).has_value());
    }
    void crash() {
        if (world.effects.live.empty()) return;
        auto process = world.effects.live.begin();
        std::advance(process, static_cast<std::ptrdiff_t>(dice(world.effects.live.size())));
        world.effects.exit_at(world.time(), process->first,
                              {ExitStatus::Kind::Code, static_cast<int>(dice(2))});
        if (dice(6) == 0 && process->second.port != 0) world.effects.strangers.insert(process->second.port);
        world.run_for(0ns);
    }
    // Proxies come, go, and see the newest table or the one before it.
    void read_routes() {
        std::uint64_t& seen = world.effects.routes_seen_by_all;
        seen = dice(4) == 0 ? UINT64_MAX : world.supervisor().routes().generation() - dice(2);
        if (world.supervisor().draining()) world.supervisor().routes_read(world.now());
    }
    void behave() {
        const auto names = world.names();
        if (names.empty()) return;
        Behaviour& how = world.app(world.member(names[dice(names.size())]).log_name);
        how = {};
        switch (dice(8)) {
            case 0: how.healthy_after = 1h; break;
            case 1: how.exits_after = Duration(dice(5) * 1'000'000'000); break;
            case 2: how.ignores_term = true; break;
            case 3: how.spawn_fails = SpawnFailure{"exec: No such file or directory", dice(2) == 0}; break;
            case 4: how.sick = {{world.time(), world.time() + 20s}}; break;
            case 5: how.stop_takes = 1s; break;
            case 6: how.survives_kill = how.ignores_term = dice(3) == 0; break;
            default: break;
        }
    }
    void ask_everything() {
        for (const Request& request :
             {Request(StatusRequest{}), Request(PortsRequest{}), Request(EventsRequest{})})
            order(request);
        for (const std::string& name : world.names()) {
            order(WhyRequest{name});
            order(DescribeRequest{name});
        }
        StatusRequest follow{{}, seen_, 1s};
        const auto answer = world.try_ask(follow);
        if (seen_ != 0) seen_ = std::get<StatusReply>(**answer).generation;
        if (seen_ == 0) seen_ = 1;
    }

    std::mt19937_64 random_;
    std::uint64_t seen_ = 0;
};

}  // namespace

TEST_CASE("a random walk of the whole supervisor breaks nothing and comes to rest") {
    std::uint64_t updated = 0;
    std::uint64_t not_updated = 0;
    for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
        CAPTURE(seed);
        Walk walk(seed);
        for (int i = 0; i < 700; ++i) walk.step();
        walk.calm_down();
        std::size_t settled = 0;
        for (const std::string& name : walk.world.names()) {
            const StatusRow row = walk.world.row(name);
            CAPTURE(name);
            CAPTURE(row.state);
            CAPTURE(row.reason);
            const Replica& replica = walk.world.member(name).replica;
            const bool given_up = replica.spec->policy.restart.mode == RestartMode::Never ||
                                  (has_live_run(replica) && replica.run->phase == Phase::Failed);
            // Who waits for one that an operator or the configuration stopped, waits; with an update, too.
            const bool waits = has_live_run(replica)
                                   ? replica.update.stage == UpdateStage::Waiting &&
                                         replica.update.reason.ends_with(", which is stopped")
                                   : replica.rest == Rest::Blocked;
            if (!given_up && !waits) CHECK(row.outlook == Outlook::Settled);
            settled += row.outlook == Outlook::Settled ? 1 : 0;
        }
        CHECK(settled > 0);
        updated += walk.world.supervisor().totals().updates_done;
        not_updated += walk.world.supervisor().totals().updates_failed;
        walk.world.ask<ActionReply>(DownRequest{});
        CHECK(walk.world.run_until(10min, [&] { return walk.world.effects.is_finished; }));
    }
    // It went where updates are.
    CHECK(updated > 3);
    CHECK(not_updated > 3);
}
