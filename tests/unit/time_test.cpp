#include "shared/time.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace pmctl;
using namespace std::chrono_literals;

TEST_CASE("a duration is one or more numbers with a unit each") {
    struct Row {
        const char* text;
        Duration value;
    };
    for (const Row& row : {Row{"0", 0s}, Row{"0s", 0s}, Row{"250ms", 250ms}, Row{"5s", 5s}, Row{"1m30s", 90s},
                           Row{"2h", 2h}, Row{"1d12h", 36h}, Row{"1.5s", 1500ms}, Row{"0.25ms", 250us},
                           Row{"7ns", 7ns}, Row{"3us", 3us}, Row{"0.1d", 144min}, Row{"00012s", 12s},
                           Row{"1m1m", 2min}, Row{"106751d", 24h * 106751}, Row{"0.0000000001s", 0s}}) {
        CAPTURE(row.text);
        const auto value = parse_duration(row.text);
        REQUIRE(value);
        CHECK(*value == row.value);
    }
}

TEST_CASE("what is no duration is refused with what was found and what is allowed") {
    for (const char* text : {"",        "5",          "s",
                             "-1s",     "+1s",        "1 s",
                             " 1s",     "1s ",        "5x",
                             "1.s",     ".5s",        "1..5s",
                             "5S",      "1m 30s",     "9223372036854775808ns",
                             "106752d", "106751d24h", "99999999999999999999s",
                             "1e3s",    "1ss"}) {
        CAPTURE(text);
        const auto value = parse_duration(text);
        REQUIRE_FALSE(value);
        CHECK(value.error().kind == ErrorKind::Invalid);
        CHECK(value.error().message.find("'" + std::string(text) + "'") != std::string::npos);
        CHECK(value.error().message.find("\"1m30s\"") != std::string::npos);
    }
}

TEST_CASE("a formatted duration is short and reads back to the same value") {
    struct Row {
        Duration value;
        const char* text;
    };
    for (const Row& row : {Row{0s, "0s"}, Row{250ms, "250ms"}, Row{90s, "1m30s"}, Row{60s, "1m"},
                           Row{1500ms, "1.5s"}, Row{1500us, "1.5ms"}, Row{36h, "1d12h"}, Row{7ns, "7ns"},
                           Row{61500ms, "1m1.5s"}, Row{60s + 5ms, "1m5ms"}, Row{1234567ns, "1.234567ms"},
                           Row{Duration::max(), "106751d23h47m16.854775807s"}}) {
        CAPTURE(row.text);
        CHECK(format_duration(row.value) == row.text);
        const auto back = parse_duration(row.text);
        REQUIRE(back);
        CHECK(*back == row.value);
    }
}

TEST_CASE("people are told at most two units, rounded down") {
    struct Row {
        Duration value;
        const char* text;
    };
    for (const Row& row : {Row{0s, "0s"}, Row{350ms, "350ms"}, Row{999999us, "999ms"}, Row{12s, "12s"},
                           Row{12900ms, "12s"}, Row{185s, "3m 5s"}, Row{180s, "3m"}, Row{252min, "4h 12m"},
                           Row{51h, "2d 3h"}, Row{24h + 5min, "1d"}, Row{15us, "15us"}, Row{9ns, "9ns"}}) {
        CHECK(describe_duration(row.value) == row.text);
    }
}

TEST_CASE("RFC 3339 goes out with the digits that are asked for and comes back exactly") {
    const WallTime when = WallTime(1795378211s) + 123456789ns;
    CHECK(format_rfc3339(when) == "2026-11-22T20:10:11.123Z");
    CHECK(format_rfc3339(when, 0) == "2026-11-22T20:10:11Z");
    CHECK(format_rfc3339(when, 6) == "2026-11-22T20:10:11.123456Z");
    CHECK(format_rfc3339(when, 9) == "2026-11-22T20:10:11.123456789Z");
    CHECK(format_rfc3339(WallTime(-1ns), 9) == "1969-12-31T23:59:59.999999999Z");
    for (const WallTime each : {when, WallTime(), WallTime(-1ns), WallTime(-86400s), WallTime(951782400s)}) {
        const auto back = parse_rfc3339(format_rfc3339(each, 9));
        REQUIRE(back);
        CHECK(*back == each);
    }
}

TEST_CASE("RFC 3339 comes in with an offset, a space, small letters and any number of digits") {
    const WallTime when(1795378211s);
    for (const char* text :
         {"2026-11-22T20:10:11Z", "2026-11-22 20:10:11Z", "2026-11-22t20:10:11z", "2026-11-22T21:10:11+01:00",
          "2026-11-22T14:40:11-05:30", "2026-11-22T20:10:11.000Z"}) {
        CAPTURE(text);
        const auto value = parse_rfc3339(text);
        REQUIRE(value);
        CHECK(*value == when);
    }
    CHECK(*parse_rfc3339("2026-11-22T20:10:11.5Z") == when + 500ms);
    CHECK(*parse_rfc3339("2026-11-22T20:10:11.1234567899Z") == when + 123456789ns);
    CHECK(*parse_rfc3339("2016-12-31T23:59:60Z") == *parse_rfc3339("2017-01-01T00:00:00Z"));
    CHECK(*parse_rfc3339("2024-02-29T00:00:00Z") + 24h == *parse_rfc3339("2024-03-01T00:00:00Z"));
}

TEST_CASE("what is no time is refused") {
    for (const char* text :
         {"", "now", "2026-11-22", "2026-11-22T20:10:11", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
          "2026-11-22T24:00:00Z", "2026-11-22T20:60:00Z", "2026-11-22T20:10:61Z", "2026-11-22T20:10:11.Z",
          "2026-11-22T20:10:11+0100", "2026-11-22T20:10:11+24:00", "0000-01-01T00:00:00Z",
          "9999-01-01T00:00:00Z", "2026-11-22T20:10:11Zx", "26-11-22T20:10:11Z"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_rfc3339(text));
    }
}
