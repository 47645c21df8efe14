#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "cli/output.hpp"

using namespace pmctl;
using namespace std::chrono_literals;

namespace {

const Style plain{};
const WallTime moment{std::chrono::nanoseconds(1'795'376'411'000'000'000)};  // 2026-11-22T19:40:11Z

void use_utc() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
}

ReportReply two_instances() {
    ReportReply reply;
    reply.since = moment - 24h;
    reply.covered_since = moment - 24h;
    reply.until = moment;
    reply.rows = {{"web", 24h, 24h - 2s, 2, 1, 0, {2, 1s, 500ms, 1500ms, 1500ms}, {}},
                  {"db", 24h, 23h, 3, 0, 1, {1, 40s, 40s, 40s, 40s}, moment - 59min},
                  {"off", 0s, 0s, 0, 0, 0, {}, {}}};
    reply.total = {"", 48h, 47h - 2s, 5, 1, 1, {3, 14s, 1500ms, 40s, 40s}, moment - 59min};
    reply.configuration = {2, 3ms, 2ms, 4ms, 4ms};
    reply.cpu = 3600ms;
    reply.uptime = 1h;
    reply.resident_bytes = 12'900'000;
    return reply;
}

}  // namespace

TEST_CASE("the report: a row each, and what the design is held to") {
    use_utc();
    CHECK(
        report_text(two_instances(), plain) ==
        "window       2026-11-21 19:40:11.000 to 2026-11-22 19:40:11.000 (1d)\n"
        "not watched  0s\n"
        "\n"
        "NAME  AVAILABILITY  WANTED  FAILURES  UPDATES       RECOVERIES  MEAN  P50    P99  WORST  DOWN FOR\n"
        "web   99.997 %      1d      2         1             2           1s    500ms  1s   1s\n"
        "db    95.833 %      1d      3         0 (1 failed)  1           40s   40s    40s  40s    59m\n"
        "off   -             0s      0         0             0           -     -      -    -\n"
        "all   97.915 %      2d      5         1 (1 failed)  3           14s   1s     40s  40s    59m\n"
        "\n"
        "FIGURE                 VALUE                            AIM\n"
        "availability           97.915 %                         at least 99.9 %  missed\n"
        "longest recovery       59m, not over yet                at most 30s      missed\n"
        "supervisor CPU         0.1 % over 1h                    at most 5 %      met\n"
        "configuration latency  4ms at worst, median 2ms (of 2)  at most 5s       met\n"
        "supervisor memory      12.3 MiB\n");
}

TEST_CASE("where the history begins later, that is said, and so is what nobody watched") {
    use_utc();
    ReportReply reply = two_instances();
    reply.covered_since = moment - 3h;
    reply.not_watched = 5min;
    reply.rows = {reply.rows[0]};
    reply.total = reply.rows[0];
    reply.configuration = {};
    const std::string text = report_text(reply, plain);
    CHECK(text.starts_with(
        "window       2026-11-22 16:40:11.000 to 2026-11-22 19:40:11.000 (3h of the 1d asked "
        "for: nothing is known of the time before)\n"
        "not watched  5m, in which no supervisor ran\n"));
    CHECK(text.find("\nall ") == std::string::npos);
    CHECK(text.find("configuration latency  -") != std::string::npos);
    CHECK(text.find("missed") == std::string::npos);
}

TEST_CASE("a share is never shown as better than it is, and nothing is judged of which nothing is known") {
    use_utc();
    ReportReply reply;
    reply.since = reply.covered_since = reply.until = moment;
    CHECK(report_text(reply, plain).find("met") == std::string::npos);
    CHECK(report_text(reply, plain).find("missed") == std::string::npos);
    reply.total.wanted = reply.total.served = 24h * 365;
    CHECK(report_text(reply, plain).find("100 %") != std::string::npos);
    reply.total.served -= 1ms;
    CHECK(report_text(reply, plain).find("99.999 %") != std::string::npos);
    reply.total.served = reply.total.wanted / 10000 * 9989;
    CHECK(report_text(reply, plain).find("99.89 %") != std::string::npos);
    CHECK(report_text(reply, plain).find("at least 99.9 %  missed") != std::string::npos);
}

TEST_CASE("names from outside cannot paint") {
    ReportReply reply = two_instances();
    reply.rows[0].name = "a\x1b[31m";
    CHECK(report_text(reply, plain).find('\x1b') == std::string::npos);
}

TEST_CASE("the report as JSON has all its keys, null where nothing is known") {
    const auto value = boost::json::parse(report_json(two_instances())).as_object();
    CHECK(value.at("since") == "2026-11-21T19:40:11.000Z");
    CHECK(value.at("covered_since") == "2026-11-21T19:40:11.000Z");
    CHECK(value.at("until") == "2026-11-22T19:40:11.000Z");
    CHECK(value.at("not_watched_ms") == 0);
    const auto& rows = value.at("instances").as_array();
    REQUIRE(rows.size() == 3);
    const auto& db = rows[1].as_object();
    CHECK(db.at("name") == "db");
    CHECK(db.at("availability").as_double() == doctest::Approx(23.0 / 24));
    CHECK(db.at("wanted_ms") == 86'400'000);
    CHECK(db.at("running_ms") == 82'800'000);
    CHECK(db.at("failures") == 3);
    CHECK(db.at("updates") == 0);
    CHECK(db.at("failed_updates") == 1);
    CHECK(db.at("recovery").as_object().at("count") == 1);
    CHECK(db.at("recovery").as_object().at("worst_ms") == 40'000);
    CHECK(db.at("missed_since") == "2026-11-22T18:41:11.000Z");
    CHECK(rows[0].as_object().at("missed_since").is_null());
    CHECK(rows[2].as_object().at("availability").is_null());
    CHECK(rows[2].as_object().at("recovery").as_object().at("p99_ms").is_null());
    CHECK(value.at("all").as_object().at("name").is_null());
    CHECK(value.at("all").as_object().at("failures") == 5);
    CHECK(value.at("configuration").as_object().at("p50_ms") == 2);
    CHECK(value.at("supervisor").as_object().at("cpu_share").as_double() == doctest::Approx(0.001));
    CHECK(value.at("supervisor").as_object().at("resident_bytes") == 12'900'000);
    CHECK(value.at("aims").as_object().at("availability").as_double() == 0.999);
    CHECK(value.at("aims").as_object().at("recovery_ms") == 30'000);
}
