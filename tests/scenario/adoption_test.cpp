// A supervisor that follows one that was killed: what it finds running goes on, and what has ended is
// followed by what its policy says.
#include "supervisor/core/spec_fingerprint.hpp"
#include "tests/scenario/fake_admin.hpp"
#include "tests/scenario/update_story.hpp"

namespace pmctl::test {

namespace {

// What the earlier supervisor left: processes of the fake world, and the records of them.
struct Left {
    Inheritance inheritance;
    std::vector<FakeProcess> processes;

    FoundRun& add(RunNumber run, const InstanceSpec& spec, std::uint32_t replica, std::uint16_t port,
                  RunRole role = RunRole::Current) {
        FoundRun found;
        found.state = FoundRun::State::Alive;
        found.age = 1h;
        found.record.run = run;
        found.record.instance = spec.id;
        found.record.replica = replica;
        found.record.pid = static_cast<int>(3000 + run);
        found.record.port = port;
        found.record.role = role;
        found.record.was_healthy = true;
        found.record.restarts = 4;
        found.record.log_name = replica == 0 ? spec.id : spec.id + ":" + std::to_string(replica);
        found.record.fingerprint = spec_fingerprint(spec.process);
        processes.push_back(
            {run, found.record.log_name, port, found.record.pid, -1h, {}, false, spec.process.command});
        inheritance.next_run = std::max(inheritance.next_run, run + 1);
        inheritance.runs.push_back(found);
        return inheritance.runs.back();
    }
    FoundRun& add_ended(RunNumber run, const InstanceSpec& spec, ExitStatus status) {
        FoundRun& found = add(run, spec, 0, 30000);
        processes.pop_back();
        found.state = FoundRun::State::Ended;
        found.status = status;
        return found;
    }
};

// The processes are there as the next supervisor begins.
void leave_in(World& world, const Left& left) {
    for (const FakeProcess& each : left.processes) world.effects.live[each.run] = each;
}

std::size_t starts(World& world) {
    std::size_t count = 0;
    for (const auto& [name, requests] : world.effects.spawns) count += requests.size();
    return count;
}

}  // namespace

TEST_CASE("What runs goes on: the same process, port, count of restarts and uptime, and nothing is started") {
    const InstanceSpec web = version("web", 1, 2);
    Left left;
    left.add(7, web, 0, 30005);
    left.add(8, web, 1, 30001);
    World world(left.inheritance);
    leave_in(world, left);
    world.apply({web});
    CHECK(world.row("web:0").state == "Starting");
    world.run_for(100ms);
    const StatusRow row = world.row("web:0");
    CHECK(row.state == "Running");
    CHECK(row.pid == 3007);
    CHECK(row.port == 30005);
    CHECK(row.restarts == 4);
    CHECK(row.uptime >= 1h);
    CHECK(row.spec == "current");
    CHECK(world.supervisor().routes().row("web.test")->upstreams.size() == 2);
    CHECK(starts(world) == 0);
    // It is looked after as ever.
    world.kill("web");
    world.run_for(1s);
    CHECK(starts(world) == 1);
    CHECK(world.row("web:0").state == "Running");
    CHECK(world.row("web:0").run > 8);
}

TEST_CASE("A configuration that changed meanwhile is in force as after a reload: without a gap") {
    Left left;
    left.add(7, version("web", 1), 0, 30000);
    World world(left.inheritance);
    leave_in(world, left);
    world.apply({version("web", 2)});
    CHECK(world.row("web").spec == "stale");
    world.run_for(50ms);
    world.run_until(10s, [&] { return !world.row("web").update; });
    CHECK(served_by(world, "web.test") == "/srv/v2");
    world.run_for(10s);
    CHECK(processes(world, "/srv/v1") == 0);
}

TEST_CASE("What is no longer configured, or scaled away, is stopped") {
    const InstanceSpec web = version("web", 1, 2);
    const InstanceSpec gone = service("gone");
    Left left;
    left.add(7, gone, 0, 30000);
    left.add(8, web, 0, 30001);
    left.add(9, web, 1, 30002);
    World world(left.inheritance);
    leave_in(world, left);
    world.apply({version("web", 1, 1)});
    world.run_for(1s);
    CHECK(world.effects.live.size() == 1);
    CHECK_FALSE(world.has("gone"));
    CHECK(world.row("web").pid == 3008);
    CHECK(world.supervisor().ports().held().size() == 1);
}

TEST_CASE("What the admin service may want goes on until it has answered, and no longer") {
    Left left;
    left.add(7, service("gone"), 2, 30000);  // not even the first of its replicas is left
    left.add(8, service("db"), 1, 30001);    // scaled away
    left.add(9, service("kept"), 0, 30002);
    SUBCASE("and nothing is known of it") {
        World world(left.inheritance);
        FakeAdmin admin(world);
        SUBCASE("it names one of them") {
            admin.put("kept");
        }
        SUBCASE("it names none") {}
        admin.up = false;
        leave_in(world, left);
        world.apply(config_from(usual));
        world.run_for(10s);
        CHECK(world.effects.live.size() == 4);  // with the first replica of db
        SUBCASE("and the files are read again meanwhile") {
            world.apply(config_from(usual));
            world.run_for(10s);
            CHECK(world.effects.live.size() == 4);
        }
        SUBCASE("and nothing else happens") {}
        admin.up = true;
        world.run_for(2min);
        CHECK_FALSE(world.has("gone:2"));
        CHECK(world.effects.live.size() == 1 + admin.entries.size());
        CHECK(world.has("kept") == !admin.entries.empty());
    }
    SUBCASE("and what it said last does not name them") {
        AdminSnapshot said;
        said.event = 3;
        said.fetched_at = WallTime(1h);
        left.inheritance.admin = std::make_shared<const AdminSnapshot>(said);
        World world(left.inheritance);
        FakeAdmin admin(world);
        admin.up = false;
        leave_in(world, left);
        world.apply(config_from(usual));
        world.run_for(10s);
        CHECK(world.effects.live.size() == 1);
    }
}

TEST_CASE("An operator's stop holds, also for what still runs") {
    const InstanceSpec web = version("web", 1);
    Left left;
    left.add(7, web, 0, 30000);
    left.inheritance.intentions = {{"web", 0, Wanted::Stopped}};
    World world(left.inheritance);
    leave_in(world, left);
    world.apply({web});
    world.run_for(1s);
    CHECK(world.phase("web") == Phase::Stopped);
    CHECK(world.effects.live.empty());
}

TEST_CASE("What was started on demand or by hand goes on") {
    InstanceSpec demanded = version("demanded", 1);
    demanded.policy.on_demand = true;
    InstanceSpec manual = version("manual", 1);
    manual.policy.autostart = false;
    Left left;
    left.add(7, demanded, 0, 30000);
    left.add(8, manual, 0, 30001);
    World world(left.inheritance);
    leave_in(world, left);
    world.apply({demanded, manual});
    world.run_for(1s);
    CHECK(world.phase("demanded") == Phase::Running);
    CHECK(world.phase("manual") == Phase::Running);
    CHECK(starts(world) == 0);
}

TEST_CASE("What ended meanwhile is followed by its policy") {
    SUBCASE("a crash: started again, and counted") {
        const InstanceSpec web = version("web", 1);
        Left left;
        left.add_ended(7, web, {ExitStatus::Kind::Signal, SIGSEGV});
        World world(left.inheritance);
        leave_in(world, left);
        world.apply({web});
        CHECK(world.effects.collected == std::vector<std::string>{"web"});
        world.run_for(1s);
        CHECK(world.phase("web") == Phase::Running);
        CHECK(world.row("web").restarts == 5);
    }
    SUBCASE("a job that is done: left so") {
        InstanceSpec job = worker("job");
        job.policy.restart.mode = RestartMode::OnFailure;
        Left left;
        left.add_ended(7, job, {ExitStatus::Kind::Code, 0});
        World world(left.inheritance);
        leave_in(world, left);
        world.apply({job});
        world.run_for(1h);
        CHECK(starts(world) == 0);
        CHECK(completed(world.member("job").replica));
    }
    SUBCASE("with the machine: a start like the first one") {
        const InstanceSpec web = version("web", 1);
        Left left;
        left.add_ended(7, web, {}).of_earlier_boot = true;
        World world(left.inheritance);
        leave_in(world, left);
        world.apply({web});
        world.run_for(1s);
        CHECK(world.phase("web") == Phase::Running);
        CHECK(world.row("web").restarts == 0);
    }
}

TEST_CASE("What may run and cannot be looked after is neither signalled nor started a second time") {
    const InstanceSpec web = version("web", 1);
    Left left;
    left.add(7, web, 0, 30000);
    SUBCASE("it could not be identified") {
        left.inheritance.runs.front().state = FoundRun::State::Unclear;
        left.inheritance.runs.front().note = "'/proc/3007/stat' cannot be read";
        left.processes.clear();
    }
    SUBCASE("it could not be taken over") {
        left.processes.clear();
    }
    World world(left.inheritance);
    leave_in(world, left);
    world.apply({web});
    world.run_for(1h);
    CHECK(world.phase("web") == Phase::Stopped);
    CHECK(world.reason("web").find("pid 3007 of an earlier supervisor may still run") != std::string::npos);
    CHECK(starts(world) == 0);
    // Nor by a reload, nor for who needs it.
    InstanceSpec shop = service("shop");
    shop.policy.depends_on = {"web"};
    world.apply({web, shop});
    world.run_for(1h);
    world.apply({version("web", 2), shop});
    world.run_for(1h);
    CHECK(starts(world) == 0);
    CHECK(world.reason("web").find("pid 3007 of an earlier supervisor may still run") != std::string::npos);
    // An operator knows better.
    world.start({"web"});
    world.run_for(1s);
    CHECK(world.phase("web") == Phase::Running);
}

TEST_CASE("An update in mid-flight is finished, and what drained goes") {
    const InstanceSpec old = version("web", 1);
    const InstanceSpec young = version("web", 2);
    Left left;
    SUBCASE("the candidate takes over") {
        left.add(7, old, 0, 30000);
        left.add(8, young, 0, 30001, RunRole::Candidate);
        World world(left.inheritance);
        leave_in(world, left);
        world.apply({young});
        world.run_for(1s);
        CHECK(world.row("web").pid == 3008);
        CHECK(served_by(world, "web.test") == "/srv/v2");
        CHECK(starts(world) == 0);
        CHECK(world.effects.live.size() == 1);
    }
    SUBCASE("it is no longer wanted: it goes, what served serves on") {
        left.add(7, old, 0, 30000);
        left.add(8, young, 0, 30001, RunRole::Candidate);
        World world(left.inheritance);
        leave_in(world, left);
        world.apply({old});
        world.run_for(1s);
        CHECK(world.row("web").pid == 3007);
        CHECK(world.effects.live.size() == 1);
        CHECK(starts(world) == 0);
    }
    SUBCASE("what it would have replaced has ended: it is the current one") {
        left.add(8, young, 0, 30001, RunRole::Candidate);
        World world(left.inheritance);
        leave_in(world, left);
        world.apply({young});
        world.run_for(1s);
        CHECK(world.row("web").pid == 3008);
        CHECK(starts(world) == 0);
    }
    SUBCASE("what drained is told to end") {
        left.add(8, young, 0, 30001);
        left.add(7, old, 0, 30000, RunRole::Outgoing);
        World world(left.inheritance);
        leave_in(world, left);
        world.apply({young});
        world.run_for(1s);
        CHECK(world.row("web").pid == 3008);
        CHECK(world.effects.live.size() == 1);
    }
}

TEST_CASE("A run that the store does not know is known by its log's name") {
    const InstanceSpec web = version("web", 1, 2);
    Left left;
    FoundRun& found = left.add(9, web, 1, 30001);
    found.is_stored = false;
    found.record.instance.clear();
    found.record.replica = 0;
    World world(left.inheritance);
    leave_in(world, left);
    world.apply({web});
    world.run_for(1s);
    CHECK(world.row("web:1").pid == 3009);
    CHECK(starts(world) == 1);  // of web:0
    const auto stored = [](const StoreWrite& write) {
        return write.kind == StoreWrite::Kind::RunStarted && write.run.run == 9 &&
               write.run.instance == "web" && write.run.replica == 1;
    };
    CHECK(std::any_of(world.effects.writes.begin(), world.effects.writes.end(), stored));
}

TEST_CASE("Two of one replica: the newer one stays, never both") {
    const InstanceSpec web = version("web", 1);
    Left left;
    left.add(7, web, 0, 30000);
    left.add(8, web, 0, 30001);
    World world(left.inheritance);
    leave_in(world, left);
    world.apply({web});
    world.run_for(1s);
    CHECK(world.row("web").pid == 3008);
    CHECK(world.effects.live.size() == 1);
}

}  // namespace pmctl::test
