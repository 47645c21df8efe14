#include "supervisor/metrics.hpp"

#include "tests/scenario/world.hpp"
#include "tests/unit/metrics_checker.hpp"

namespace pmctl::test {

namespace {

std::map<std::string, double> figures(World& world) {
    const std::string text =
        metrics_of(world.supervisor(), {1500ms, 4096, 10, 20, WallTime(2s), 3}, "0.1.0", world.now());
    const MetricsChecked checked = MetricsChecker().check(text);
    CHECK(checked.fault == "");
    return checked.samples;
}

std::string of(const std::string& metric, const std::string& name, const std::string& more = "") {
    return metric + "{instance=\"" + name.substr(0, name.find(':')) + "\",name=\"" + name + "\"" + more + "}";
}

}  // namespace

TEST_CASE("The figures say what is, what happened, and hold to the format at every moment") {
    World world;
    world.app("web").healthy_after = 1s;
    InstanceSpec two = service("two");
    two.replicas = 2;
    two.hostnames = {"two.test"};
    world.apply({service("web"), two, worker("off")});
    world.stop({"off"});
    figures(world);
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.run_for(9s);
    auto now = figures(world);
    CHECK(now.at(of("pmctl_instance_state", "web", ",state=\"Running\"")) == 1);
    CHECK(now.at(of("pmctl_instance_state", "web", ",state=\"Failed\"")) == 0);
    CHECK(now.at(of("pmctl_instance_state", "two:1", ",state=\"Running\"")) == 1);
    CHECK(now.at(of("pmctl_instance_wanted", "off")) == 0);
    CHECK(now.at(of("pmctl_instance_transitions_total", "web", ",state=\"Running\"")) == 1);
    CHECK(now.at(of("pmctl_health_checks_total", "web", ",result=\"ok\"")) >= 1);
    CHECK(now.at(of("pmctl_health_checks_total", "web", ",result=\"failed\"")) >= 1);
    CHECK(now.at("pmctl_ports_used") == 3);
    CHECK(now.at("pmctl_ports_free") == 998);
    CHECK(now.at("pmctl_routes") == 1);
    CHECK(now.at("pmctl_route_generation") == static_cast<double>(world.supervisor().routes().generation()));
    CHECK_FALSE(now.contains("pmctl_route_generation_seen"));
    CHECK(now.at("pmctl_supervisor_cpu_seconds_total") == 1.5);
    CHECK(now.at("pmctl_http_connections") == 3);
    CHECK(now.at("pmctl_build_info{version=\"0.1.0\"}") == 1);
    const double wanted = now.at(of("pmctl_instance_wanted_seconds_total", "web"));
    const double running = now.at(of("pmctl_instance_running_seconds_total", "web"));
    CHECK(wanted == doctest::Approx(10).epsilon(0.2));
    CHECK(running == doctest::Approx(9).epsilon(0.2));
    CHECK(now.at(of("pmctl_instance_availability_ratio", "web")) == doctest::Approx(running / wanted));
}

TEST_CASE("Each cause of a restart has its count, and a recovery its time") {
    World world;
    world.apply({service("web")});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    const auto restarts = [&](const std::string& cause) {
        return figures(world).at(of("pmctl_instance_restarts_total", "web", ",cause=\"" + cause + "\""));
    };
    world.kill("web");
    CHECK(restarts("signal") == 1);
    world.app("web").healthy_after = 2s;
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.kill("web", {ExitStatus::Kind::Code, 3});
    CHECK(restarts("exit") == 1);
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.app("web").sick = {{world.time(), world.time() + 30s}};
    REQUIRE(world.run_until(2min, [&] { return restarts("failed_checks") == 1; }));
    world.app("web").sick.clear();
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(figures(world).at("pmctl_recovery_duration_seconds_count") == 3);
    world.app("web").spawn_fails = SpawnFailure{"exec: No such file or directory", false};
    world.kill("web");
    REQUIRE(world.run_until(1min, [&] { return restarts("spawn_failed") > 0; }));
    // An operator's word is no failure, and nobody misses what is stopped.
    world.app("web").spawn_fails.reset();
    REQUIRE(world.run_until_phase("web", Phase::Running));
    const double before = figures(world).at("pmctl_recovery_duration_seconds_count");
    world.stop({"web"});
    world.run_for(1h);
    const double wanted = figures(world).at(of("pmctl_instance_wanted_seconds_total", "web"));
    world.start({"web"});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    CHECK(figures(world).at("pmctl_recovery_duration_seconds_count") == before);
    CHECK(wanted < 600);
}

}  // namespace pmctl::test
