#include "cli/output.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "cli/log_output.hpp"
#include "cli/since.hpp"

using namespace pmctl;
using namespace std::chrono_literals;

namespace {

const Style plain{};
const WallTime moment{std::chrono::nanoseconds(1'795'376'411'123'456'789)};  // 2026-11-22T19:40:11.123Z

StatusRow running() {
    StatusRow row;
    row.name = "web:1";
    row.state = "Running";
    row.wanted = "running";
    row.pid = 4242;
    row.port = 30001;
    row.hostnames = {"a.localhost", "b.localhost"};
    row.uptime = 185s;
    row.restarts = 2;
    row.health = HealthRow{true, moment, 3ms, 0, ""};
    return row;
}

StatusRow failed() {
    StatusRow row;
    row.name = "database";
    row.state = "Failed";
    row.wanted = "running";
    row.reason = "exited with 1;\x1b[31m next start in 2s\n";
    row.exit_status = ExitText{1, ""};
    return row;
}

LogLine line(std::string name, std::string text, bool partial = false, bool is_stderr = false) {
    return {std::move(name), moment, is_stderr, partial, std::move(text)};
}

}  // namespace

TEST_CASE("the status table is aligned and has a reason only where there is one") {
    CHECK(status_table({running()}, plain) ==
          "NAME   STATE    PID   PORT   HOSTNAME        UPTIME  RESTARTS  HEALTH\n"
          "web:1  Running  4242  30001  a.localhost +1  3m 5s   2         ok 3ms\n");
    CHECK(status_table({failed(), running()}, plain) ==
          "NAME      STATE    PID   PORT   HOSTNAME        UPTIME  RESTARTS  HEALTH  REASON\n"
          "database  Failed   -     -      -               -       0         -       exited with 1;?[31m "
          "next start in 2s?\n"
          "web:1     Running  4242  30001  a.localhost +1  3m 5s   2         ok 3ms\n");
    CHECK(status_names({failed(), running()}) == "database\nweb:1\n");
}

TEST_CASE("colours come only when told, and change nothing else") {
    const std::string bare = status_table({failed(), running()}, plain);
    std::string coloured = status_table({failed(), running()}, Style{true, 0});
    CHECK(bare.find('\x1b') == std::string::npos);
    CHECK(coloured.find("\x1b[31mFailed\x1b[0m") != std::string::npos);
    for (std::size_t at = 0; (at = coloured.find('\x1b')) != std::string::npos;)
        coloured.erase(at, coloured.find('m', at) - at + 1);
    CHECK(coloured == bare);
}

TEST_CASE("a terminal's width cuts lines, and wide characters count two") {
    Table table;
    table.add_row({{"名前"}, {"x"}});
    table.add_row({{"ab"}, {"a long text"}});
    CHECK(table.text(plain) == "名前  x\nab    a long text\n");
    CHECK(table.text(Style{false, 9}) == "名前  x\nab    a …\n");
    CHECK(display_width("ünïcode") == 7);
    CHECK(display_width("e\xcc\x81") == 1);
    CHECK(printable("a\tb\x7f\xc2\x9b\xff ü") == "a?b??? ü");
}

TEST_CASE("status ends with 0 when all that count are Running, else with 3") {
    StatusRow stopped = running();
    stopped.state = "Stopped";
    stopped.wanted = "stopped";
    CHECK(status_exit({running()}, false) == 0);
    CHECK(status_exit({running(), failed()}, false) == 3);
    CHECK(status_exit({running(), stopped}, false) == 0);
    CHECK(status_exit({running(), stopped}, true) == 3);
    CHECK(status_exit({}, false) == 0);
    for (const char* state : {"Unknown", "Starting", "Unhealthy", "Stopping", "Stopped", "Failed"}) {
        StatusRow row = running();
        row.state = state;
        CHECK(status_exit({row}, false) == 3);
    }
}

TEST_CASE("one instance in full says all there is, and what to try") {
    DescribeReply reply;
    reply.row = failed();
    reply.row.spec = "stale";
    reply.row.limits = {{"memory", "512MiB"}};
    reply.command = {"./server", "--name", "two words"};
    reply.working_dir = "/srv";
    reply.next_action = "started in 2s";
    reply.hints = {{"pmctl why database", "what happened, in order"}};
    reply.logs = {line("database", "cannot bind")};
    const std::string text = full_view(reply, plain);
    for (const char* part :
         {"state      Failed: exited with 1", "wanted     running", "next       started in 2s",
          "last exit  exited with 1", "spec       stale", "command    ./server --name 'two words'",
          "limits     memory 512MiB", "cannot bind", "try:\n  pmctl why database  what happened"}) {
        CHECK_MESSAGE(text.find(part) != std::string::npos, part << "\n" << text);
    }
}

TEST_CASE("a reload's changes have a line each, what is kept is counted") {
    const std::vector<Change> changes = {{"api", "keep", ""},
                                         {"db", "update", "health.interval: 5s → 2s"},
                                         {"web", "replace", "command changed"}};
    CHECK(changes_text(changes, false, plain) ==
          "update   db   health.interval: 5s → 2s\nreplace  web  command changed\n1 replaced, 1 updated, 1 "
          "kept\n");
    CHECK(changes_text(changes, true, plain).find("1 would be replaced, 1 would be updated, 1 kept") !=
          std::string::npos);
    CHECK(changes_text({changes[0]}, false, plain) == "nothing changes: 1 kept\n");
    CHECK(changes_json(changes, true) ==
          R"({"changes":[{"instance":"api","action":"keep","reason":""},)"
          R"({"instance":"db","action":"update","reason":"health.interval: 5s → 2s"},)"
          R"({"instance":"web","action":"replace","reason":"command changed"}],"converged":true})"
          "\n");
    CHECK_FALSE(changes_anything({changes[0]}));
}

TEST_CASE("events, why, ports, config and errors are read by people and by programs") {
    ::setenv("TZ", "UTC", 1);
    const EventRow event{3, moment, "web", "state", "Starting → Running"};
    CHECK(event_line(event, plain) == "2026-11-22 19:40:11.123  web  Starting → Running\n");
    CHECK(
        event_json(event) ==
        R"({"number":3,"time":"2026-11-22T19:40:11.123Z","name":"web","kind":"state","text":"Starting → Running"})"
        "\n");
    CHECK(why_text({failed(), {event}, "started in 2s"}, plain)
              .find("2026-11-22\n19:40:11.123  state  Starting → Running\n\nnext: started in 2s\n") !=
          std::string::npos);
    CHECK(ports_text({30000, 31000, 1000, {{30001, "web", "used"}}}, plain) ==
          "PORT   NAME  STATE\n30001  web   used\n1000 free in 30000-31000\n");
    const RoutesReply routes{
        7, {{"a.test", "127.0.0.1:30001", "web:1", "Running"}, {"b.test", "", "b", "Failed"}}};
    CHECK(routes_text(routes, plain) ==
          "HOSTNAME  UPSTREAM         INSTANCE  STATE\na.test    127.0.0.1:30001  web:1     Running\n"
          "b.test    -                b         Failed\n");
    CHECK(
        routes_json(routes) ==
        R"({"generation":7,"routes":[{"hostname":"a.test","upstream":"127.0.0.1:30001","name":"web:1","state":"Running"},{"hostname":"b.test","upstream":null,"name":"b","state":"Failed"}]})"
        "\n");
    CHECK(routes_exit(routes, true) == 0);
    CHECK(routes_exit({7, {routes.routes[1]}}, true) == 3);
    CHECK(routes_exit({7, {routes.routes[1]}}, false) == 0);
    CHECK(config_text({{{"a", "1", "default"}, {"longer", "\"x\"", "f.toml:3"}}}, plain) ==
          "a = 1         # default\nlonger = \"x\"  # f.toml:3\n");
    CHECK(error_json({ErrorKind::NotFound, "no instance 'x'"}) ==
          R"({"error":{"code":4,"kind":"not_found","message":"no instance 'x'"}})"
          "\n");
    for (const std::string& text :
         {why_json({failed(), {event}, ""}), ports_json({1, 2, 1, {{1, "", "resting"}}}),
          config_json({{{"a", "1", "default"}}}), config_json({})}) {
        CHECK_NOTHROW(boost::json::parse(text));
    }
}

TEST_CASE("log lines are joined from their pieces, each stream by itself") {
    LogOutput output({true, false, false, plain});
    output.expect({"web", "database"});
    CHECK(output.text({line("web", "one"), line("web", "be", true), line("web", "err", false, true),
                       line("database", "two")}) == "web      | one\nweb      | err\ndatabase | two\n");
    CHECK(output.text({line("web", "gin")}) == "web      | begin\n");
    CHECK(output.text({line("web", "no end", true)}).empty());
    CHECK(output.rest() == "web      | no end\n");
    CHECK(output.rest().empty());
    CHECK(output.note("pmctld", "'web': Failed") == "pmctld   | 'web': Failed\n");
}

TEST_CASE("log lines have their times and are JSON when asked") {
    ::setenv("TZ", "UTC", 1);
    CHECK(LogOutput({false, true, false, plain}).text({line("web", "x")}) == "2026-11-22 19:40:11.123 x\n");
    CHECK(LogOutput({true, false, true, plain}).text({line("web", "x\xff", false, true)}) ==
          "{\"name\":\"web\",\"time\":\"2026-11-22T19:40:11.123456789Z\",\"stream\":\"stderr\",\"text\":"
          "\"x\xef\xbf\xbd\"}\n");
}

TEST_CASE("since takes how long ago, an instant, and local times") {
    ::setenv("TZ", "UTC", 1);
    CHECK(*parse_since("10m", moment) == moment - 10min);
    CHECK(*parse_since("2026-11-22T19:40:11.123456789Z", moment) == moment);
    CHECK(format_rfc3339(*parse_since("2026-11-22 20:10", moment), 0) == "2026-11-22T20:10:00Z");
    CHECK(format_rfc3339(*parse_since("2026-11-22", moment), 0) == "2026-11-22T00:00:00Z");
    CHECK(format_rfc3339(*parse_since("08:15", moment), 0) == "2026-11-22T08:15:00Z");
    for (const char* text : {"", "yesterday", "2999-01-01", "2026-13-01", "20:10x"}) {
        const auto parsed = parse_since(text, moment);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error().message.find("10m") != std::string::npos);
    }
}
