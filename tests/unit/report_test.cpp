#include "supervisor/core/report.hpp"

#include <doctest/doctest.h>

namespace pmctl {

namespace {

using namespace std::chrono_literals;
using enum MarkKind;

const WallTime begin{std::chrono::hours(480'000)};

WallTime at(Duration after) {
    return begin + after;
}
Mark mark(Duration after, MarkKind kind, std::string name = "web", Duration took = {}) {
    return {at(after), std::move(name), kind, took};
}
Mark of_supervisor(Duration after, MarkKind kind, Duration took = {}) {
    return mark(after, kind, "", took);
}

struct Story {
    const char* what;
    std::vector<Mark> marks;
    Duration since;
    Duration until;
    // of "web":
    Duration wanted;
    Duration served;
    std::vector<Duration> recoveries;
    std::uint64_t failures;
    bool is_missed;
    // of the supervisor:
    Duration covered_since;
    Duration watched;
};

const std::vector<Story> stories = {
    {"nothing was ever stored", {}, 0s, 100s, 0s, 0s, {}, 0, false, 100s, 0s},
    {"it starts within the window, serves after two seconds, and still does",
     {of_supervisor(10s, SupervisorStarts), mark(10s, Missed), mark(12s, Serves)},
     0s,
     110s,
     100s,
     98s,
     {},
     0,
     false,
     10s,
     100s},
    {"the window begins in the middle of a run: the last mark before it counts",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Missed), mark(1s, Serves)},
     1000s,
     1100s,
     100s,
     100s,
     {},
     0,
     false,
     1000s,
     100s},
    {"the window begins while it is down: the recovery is told in full, the time within the window alone",
     {of_supervisor(0s, SupervisorStarts), mark(1s, Serves), mark(90s, Failed), mark(90s, Missed),
      mark(110s, Serves)},
     100s,
     200s,
     100s,
     90s,
     {20s},
     0,
     false,
     100s,
     100s},
    {"a recovery and a failure before the window are not its own",
     {of_supervisor(0s, SupervisorStarts), mark(1s, Serves), mark(20s, Failed), mark(20s, Missed),
      mark(30s, Serves)},
     100s,
     200s,
     100s,
     100s,
     {},
     0,
     false,
     100s,
     100s},
    {"what an operator stops is not missed, and what he starts again is no recovery",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Missed), mark(0s, Serves), mark(40s, NotWanted),
      mark(80s, Missed), mark(81s, Serves)},
     0s,
     100s,
     60s,
     59s,
     {},
     0,
     false,
     0s,
     100s},
    {"stopped while it was down: that is no recovery either",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Serves), mark(40s, Missed), mark(50s, NotWanted),
      mark(80s, Missed), mark(81s, Serves)},
     0s,
     100s,
     70s,
     59s,
     {},
     0,
     false,
     0s,
     100s},
    {"a crash loop is one outage with many failures, until it serves",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Serves), mark(10s, Failed), mark(10s, Missed),
      mark(11s, Failed), mark(13s, Failed), mark(17s, Failed), mark(25s, Serves)},
     0s,
     100s,
     100s,
     85s,
     {15s},
     4,
     false,
     0s,
     100s},
    {"and goes on to the end of the window where it does not",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Serves), mark(10s, Failed), mark(10s, Missed),
      mark(11s, Failed)},
     0s,
     100s,
     100s,
     10s,
     {},
     2,
     true,
     0s,
     100s},
    {"the supervisor was stopped for a while: nobody watched, and nothing is held against it",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Serves), mark(40s, NotWanted),
      of_supervisor(41s, SupervisorEnds), of_supervisor(61s, SupervisorStarts), mark(61s, Missed),
      mark(62s, Serves)},
     0s,
     100s,
     79s,
     78s,
     {},
     0,
     false,
     0s,
     80s},
    {"it left what ran running",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Serves), of_supervisor(40s, SupervisorEnds),
      of_supervisor(60s, SupervisorStarts), mark(60s, Serves)},
     0s,
     100s,
     80s,
     80s,
     {},
     0,
     false,
     0s,
     80s},
    {"it was killed: its last mark is its last sign of life",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Serves), of_supervisor(30s, SupervisorLives),
      of_supervisor(60s, SupervisorStarts), mark(60s, Missed), mark(65s, Serves)},
     0s,
     100s,
     70s,
     65s,
     {},
     0,
     false,
     0s,
     70s},
    {"killed while an instance was down: what comes later is a first start",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Serves), mark(20s, Missed),
      of_supervisor(30s, SupervisorLives), of_supervisor(60s, SupervisorStarts), mark(60s, Missed),
      mark(65s, Serves)},
     0s,
     100s,
     70s,
     55s,
     {},
     0,
     false,
     0s,
     70s},
    {"no longer configured after the supervisor's next start",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Serves), of_supervisor(40s, SupervisorEnds),
      of_supervisor(60s, SupervisorStarts)},
     0s,
     100s,
     40s,
     40s,
     {},
     0,
     false,
     0s,
     80s},
    {"the window begins while nobody watches",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Serves), of_supervisor(40s, SupervisorEnds),
      of_supervisor(60s, SupervisorStarts), mark(60s, Serves)},
     50s,
     100s,
     40s,
     40s,
     {},
     0,
     false,
     50s,
     40s},
    {"the begin of the history was pruned",
     {mark(20s, Missed), mark(30s, Serves)},
     0s,
     100s,
     80s,
     70s,
     {},
     0,
     false,
     20s,
     80s},
    {"the clock is set back by a minute: nothing is negative",
     {of_supervisor(100s, SupervisorStarts), mark(100s, Serves), mark(120s, Missed), mark(65s, Serves)},
     0s,
     200s,
     155s,
     155s,
     {0s},
     0,
     false,
     100s,
     100s},
    {"a window of no length",
     {of_supervisor(0s, SupervisorStarts), mark(0s, Serves)},
     50s,
     50s,
     0s,
     0s,
     {},
     0,
     false,
     50s,
     0s},
};

}  // namespace

TEST_CASE("what the marks tell of an instance, and of the supervisor itself") {
    for (const Story& story : stories) {
        INFO(story.what);
        MarkHistory history = history_of(story.marks, at(story.since), at(story.until));
        const NameHistory& web = history.names["web"];
        CHECK(web.wanted == story.wanted);
        CHECK(web.served == story.served);
        CHECK(web.recoveries == story.recoveries);
        CHECK(web.failures == story.failures);
        CHECK(web.missed_since.has_value() == story.is_missed);
        CHECK(history.covered_since == at(story.covered_since));
        CHECK(history.watched == story.watched);
    }
}

TEST_CASE("instances are kept apart, and all together is their sum") {
    const MarkHistory history =
        history_of({of_supervisor(0s, SupervisorStarts), mark(0s, Serves), mark(0s, Serves, "db"),
                    mark(10s, Failed), mark(10s, Missed), mark(20s, Serves), mark(30s, Updated, "db"),
                    mark(40s, UpdateFailed, "db"), mark(50s, Failed, "db"), mark(50s, Missed, "db"),
                    of_supervisor(60s, Applied, 3ms), mark(70s, Missed), of_supervisor(-10s, Applied, 9ms)},
                   begin, at(100s));
    const NameHistory& web = history.names.at("web");
    const NameHistory& db = history.names.at("db");
    CHECK(web.served == 60s);
    CHECK(db.served == 50s);
    CHECK(web.updates == 0);
    CHECK(db.updates == 1);
    CHECK(db.failed_updates == 1);
    CHECK(history.applied == std::vector<Duration>{3ms});
    NameHistory total;
    add(total, web);
    add(total, db);
    const ReportRow row = report_row("", total);
    CHECK(row.wanted == 200s);
    CHECK(row.served == 110s);
    CHECK(row.failures == 2);
    CHECK(row.updates == 1);
    CHECK(row.failed_updates == 1);
    CHECK(row.recoveries == DurationFigures{1, 10s, 10s, 10s, 10s});
    CHECK(row.missed_since == at(50s));  // the longest
}

TEST_CASE("mean, percentiles by nearest rank, and the worst") {
    CHECK(figures_of({}) == DurationFigures{});
    CHECK(figures_of({7s}) == DurationFigures{1, 7s, 7s, 7s, 7s});
    CHECK(figures_of({4s, 1s}) == DurationFigures{2, 2500ms, 1s, 4s, 4s});
    std::vector<Duration> many;
    for (int i = 200; i > 0; --i) many.push_back(std::chrono::seconds(i));
    CHECK(figures_of(many) == DurationFigures{200, 100500ms, 100s, 198s, 200s});
}

}  // namespace pmctl
