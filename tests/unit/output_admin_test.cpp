#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "cli/output.hpp"

using namespace pmctl;
using namespace std::chrono_literals;

namespace {

const Style plain{};
const WallTime moment{std::chrono::nanoseconds(1'795'376'411'123'456'789)};  // 2026-11-22T19:40:11.123Z

void use_utc() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
}

AdminReply well() {
    AdminReply reply;
    reply.url = "https://admin.internal:8443";
    reply.mode = "poll";
    reply.event = 42;
    reply.succeeded_at = moment;
    reply.fetched_at = moment;
    reply.instances = 3;
    reply.applied = 7;
    reply.latency = 12ms;
    reply.median_latency = 9ms;
    reply.longest_latency = 31ms;
    return reply;
}

}  // namespace

TEST_CASE("an admin service that is well") {
    use_utc();
    CHECK(admin_text(well(), plain) ==
          "url           https://admin.internal:8443\n"
          "mode          events\n"
          "last event    42\n"
          "last success  2026-11-22 19:40:11.123\n"
          "state of      2026-11-22 19:40:11.123\n"
          "instances     3\n"
          "latency       12ms, median 9ms, longest 31ms (of 7)\n");
    CHECK(admin_exit(well()) == 0);
}

TEST_CASE("an admin service that fails, and what it says that does not count") {
    use_utc();
    AdminReply reply = well();
    reply.failing_since = moment + 1min;
    reply.error = "connection refused\x1b[31m";
    reply.failures = 4;
    reply.next_try = moment + 2min;
    reply.left_out = {{"bad", "no template [apps.\"x\"]"}};
    reply.held = {"a", "b"};
    const std::string text = admin_text(reply, plain);
    CHECK(text.find("failing since  2026-11-22 19:41:11.123: connection refused?[31m\n") !=
          std::string::npos);
    CHECK(text.find("failures       4 in a row\n") != std::string::npos);
    CHECK(text.find("next try       2026-11-22 19:42:11.123\n") != std::string::npos);
    CHECK(text.find("held back      a, b (gone") != std::string::npos);
    CHECK(text.ends_with("\nleft out:\n  bad  no template [apps.\"x\"]\n"));
    CHECK(admin_exit(reply) == 3);
    reply.refused = true;
    CHECK(admin_text(reply, plain).find("refused since") != std::string::npos);
}

TEST_CASE("where an admin service is not asked, or not by events") {
    AdminReply reply = well();
    reply.mode = "interval";
    CHECK(admin_text(reply, plain).find("interval: the service has no poll") != std::string::npos);
    reply.poll_error = "HTTP 504";
    CHECK(admin_text(reply, plain).find("interval: polls fail: HTTP 504") != std::string::npos);
    CHECK(admin_exit(reply) == 0);
    reply.mode = "waiting";
    reply.instance = "service";
    CHECK(admin_text(reply, plain).find("waits for 'service' to be Running") != std::string::npos);
    CHECK(admin_exit(reply) == 3);
    AdminReply fresh;
    fresh.mode = "poll";
    CHECK(admin_exit(fresh) == 3);  // not asked with success yet
}

TEST_CASE("--json has the keys of the manual, null where there is nothing to say") {
    const auto value = boost::json::parse(admin_json(well())).as_object();
    CHECK(value.at("url") == "https://admin.internal:8443");
    CHECK(value.at("instance").is_null());
    CHECK(value.at("event") == 42);
    CHECK(value.at("last_success") == "2026-11-22T19:40:11.123Z");
    CHECK(value.at("failing_since").is_null());
    CHECK(value.at("refused") == false);
    CHECK(value.at("left_out").as_array().empty());
    CHECK(value.at("held_back").as_array().empty());
    CHECK(value.at("latency_ms") == 12);
}

TEST_CASE("what pmctl status says of an outage") {
    use_utc();
    AdminOutage outage{moment, "connection refused", false, "", moment - 5min};
    CHECK(admin_notice(outage, moment + 1h) ==
          "admin: unreachable since 19:40 (connection refused), using the state of 19:35");
    CHECK(admin_notice(outage, moment + 24h) ==
          "admin: unreachable since 2026-11-22 19:40 (connection refused), using the state of 2026-11-22 "
          "19:35");
    outage.refused = true;
    outage.state_of.reset();
    CHECK(admin_notice(outage, moment + 1h) ==
          "admin: secret refused since 19:40 (connection refused), no state of it is known");
    outage.waits_for = "service";
    CHECK(admin_notice(outage, moment + 1h).starts_with("admin: waits for 'service' to be Running, "));
}

TEST_CASE("the table says where an instance comes from once one comes from the admin service") {
    StatusRow here;
    here.name = "db";
    here.origin = "static";
    StatusRow there;
    there.name = "web";
    there.origin = "admin";
    CHECK(status_table({here}, plain).find("ORIGIN") == std::string::npos);
    const std::string both = status_table({here, there}, plain);
    CHECK(both.find("HEALTH  ORIGIN\n") != std::string::npos);
    CHECK(both.find("admin\n") != std::string::npos);
    CHECK(both.find("static\n") != std::string::npos);
}
