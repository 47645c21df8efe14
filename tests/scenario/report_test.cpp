#include "tests/scenario/world.hpp"

namespace pmctl::test {

namespace {

const ReportRow& row_of(const ReportReply& reply, const std::string& name) {
    const auto found = std::ranges::find(reply.rows, name, &ReportRow::name);
    if (found == reply.rows.end()) FAIL("no row for '" << name << "'");
    return *found;
}

std::size_t marks_of(const World& world, MarkKind kind) {
    return static_cast<std::size_t>(std::ranges::count_if(world.effects.writes, [&](const StoreWrite& each) {
        return each.kind == StoreWrite::Kind::AppendMark && each.mark.kind == kind;
    }));
}

ReportReply report(World& world, std::vector<std::string> names = {}, Duration window = 24h) {
    return world.ask<ReportReply>(ReportRequest{{std::move(names), false}, world.now().wall - window});
}

}  // namespace

TEST_CASE("The report tells an outage in full, and what was stopped is not held against anyone") {
    World world;
    world.app("web").healthy_after = 2s;
    world.apply({service("web"), worker("job")});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    const Duration first = world.time();
    world.run_for(100s);
    const Duration lost = world.time();
    world.kill("web");
    REQUIRE(world.run_until_phase("web", Phase::Running));
    const Duration outage = world.time() - lost;
    world.run_for(100s);
    world.stop({"job"});
    world.run_for(50s);

    const ReportReply reply = report(world);
    CHECK(reply.until == world.now().wall);
    CHECK(reply.since == reply.until - 24h);
    CHECK(reply.covered_since == reply.until - world.time());
    CHECK(reply.not_watched == 0s);
    REQUIRE(reply.rows.size() == 2);
    const ReportRow& web = row_of(reply, "web");
    CHECK(web.wanted == world.time());
    CHECK(web.served == world.time() - first - outage);
    CHECK(web.failures == 1);
    CHECK(web.recoveries == DurationFigures{1, outage, outage, outage, outage});
    CHECK_FALSE(web.missed_since);
    const ReportRow& job = row_of(reply, "job");
    CHECK(job.wanted == world.time() - 50s);
    CHECK(job.served == job.wanted);
    CHECK(job.failures == 0);
    CHECK(reply.total.wanted == web.wanted + job.wanted);
    CHECK(reply.total.failures == 1);
    CHECK(reply.configuration.count == 0);  // the first start is no change
    CHECK(reply.uptime == world.time());
    CHECK(reply.cpu == world.time() / 100);
    CHECK(reply.resident_bytes == 12 << 20);

    CHECK(report(world, {"job"}).rows.size() == 1);
    CHECK(report(world, {"job"}).total.failures == 0);
    const ReportReply late = report(world, {"web"}, 30s);
    CHECK(row_of(late, "web").wanted == 30s);
    CHECK(row_of(late, "web").served == 30s);
    CHECK(row_of(late, "web").failures == 0);
    CHECK(late.covered_since == late.since);
}

TEST_CASE("The report counts a crash loop's failures, and the outage is not over") {
    World world;
    world.apply({service("web")});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.app("web").exits_after = 10ms;
    world.app("web").healthy_after = 1h;
    const WallTime lost = world.now().wall;
    world.kill("web");
    world.run_for(1min);
    const ReportReply reply = report(world);
    const ReportRow& web = row_of(reply, "web");
    CHECK(web.failures == world.member("web").replica.restarts);
    CHECK(web.failures > 3);
    CHECK(web.recoveries.count == 0);
    CHECK(web.missed_since == lost);
    CHECK(reply.total.missed_since == lost);
}

TEST_CASE("Updates, failed ones and reloads are in the report") {
    World world;
    InstanceSpec web = service("web");
    world.apply({web});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    web.process.env["A"] = "1";
    world.apply({web});
    world.run_for(1min);
    web.process.command = {"/srv/bad"};
    world.effects.programs["/srv/bad"].exits_after = 10ms;
    world.effects.programs["/srv/bad"].healthy_after = 1h;
    world.apply({web});
    world.run_for(10min);
    const ReportReply reply = report(world);
    const ReportRow& row = row_of(reply, "web");
    CHECK(row.updates == 1);
    CHECK(row.failed_updates == 1);
    CHECK(row.recoveries.count == 0);
    CHECK(reply.configuration.count == 2);
}

TEST_CASE("Scaling leaves the history to whom it belongs, and one that is gone keeps its row") {
    World world;
    world.apply({worker("web")});
    world.run_for(100s);
    world.scale("web", 2);
    world.run_for(50s);
    CHECK(row_of(report(world), "web:0").served == 150s);
    CHECK(row_of(report(world), "web:1").served == 50s);
    world.scale("web", 1);
    world.run_for(50s);
    const ReportReply reply = report(world);
    REQUIRE(reply.rows.size() == 2);
    CHECK(row_of(reply, "web").served == 200s);
    CHECK(row_of(reply, "web:1").served == 50s);
    CHECK(report(world, {"web"}).rows.size() == 1);
    // Out of the window it is forgotten.
    CHECK(report(world, {}, 10s).rows.size() == 1);
}

TEST_CASE("A restart of the supervisor is not watched, whether it was stopped or killed") {
    for (const bool killed : {false, true}) {
        World before;
        before.apply({service("web")});
        before.run_for(100s);
        if (!killed) {
            before.supervisor().finish(false, "asked", before.now());
            REQUIRE(before.run_until(1min, [&] { return before.effects.is_finished; }));
            CHECK(marks_of(before, MarkKind::SupervisorEnds) == 1);
            // It has ended: nothing is told any longer.
            before.supervisor().note("", "supervisor", "late", before.now());
            CHECK(before.effects.writes.back().kind == StoreWrite::Kind::AppendEvent);
        }
        const Duration end = before.time();
        World after;
        after.effects.time = end + 60s;
        after.effects.writes = before.effects.writes;
        after.apply({service("web")});
        REQUIRE(after.run_until_phase("web", Phase::Running));
        after.run_for(100s);
        const ReportReply reply = report(after);
        CHECK(reply.covered_since == reply.until - after.time());
        CHECK(reply.not_watched >= 60s);
        CHECK(reply.not_watched <= (killed ? 120s : 60s));
        const ReportRow& web = row_of(reply, "web");
        CHECK(web.wanted <= after.time() - reply.not_watched);
        CHECK(web.wanted >= 140s);
        CHECK(web.served >= web.wanted - 10s);
        CHECK(web.recoveries.count == 0);
        CHECK(web.failures == 0);
    }
}

TEST_CASE("One that has been as it is for longer than marks are kept is in the report") {
    World world;
    world.apply({worker("web"), worker("other")});
    world.run_for(100s);
    std::erase_if(world.effects.writes, [](const StoreWrite& each) { return each.mark.name != "other"; });
    world.stop({"other"});
    world.run_for(10s);
    CHECK(row_of(report(world), "web").served == 110s);
    CHECK(row_of(report(world), "other").served == 100s);
}

TEST_CASE("An update is no mark of how it is: one whose state is no longer kept stays in the report") {
    World world;
    InstanceSpec web = service("web");
    world.apply({web, worker("other")});
    REQUIRE(world.run_until_phase("web", Phase::Running));
    world.run_for(100s);
    std::erase_if(world.effects.writes, [](const StoreWrite& each) { return each.mark.name != "other"; });
    web.process.env["A"] = "1";
    world.apply({web, worker("other")});
    world.run_for(1min);
    const ReportReply reply = report(world);
    const ReportRow& row = row_of(reply, "web");
    REQUIRE(row.updates == 1);
    CHECK(row.wanted >= 160s);
    CHECK(row.served == row.wanted);
}

TEST_CASE("What is asked wrongly is refused") {
    World world;
    world.apply({worker("web")});
    CHECK(world.refusal(ReportRequest{{{"wep"}, false}, {}}).kind == ErrorKind::NotFound);
    CHECK(world.refusal(ReportRequest{{}, world.now().wall + 1s}).kind == ErrorKind::Invalid);
    CHECK(world.ask<ReportReply>(ReportRequest{}).since == world.now().wall - 24h);
}

TEST_CASE("Signs of life are given by turns that happen anyway, one a minute") {
    World world;
    world.apply({service("web")});
    world.run_for(1h);
    CHECK(marks_of(world, MarkKind::SupervisorStarts) == 1);
    const std::size_t signs = marks_of(world, MarkKind::SupervisorLives);
    CHECK(signs >= 50);
    CHECK(signs <= 60);
}

}  // namespace pmctl::test
