#include "supervisor/io/admin_answer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>

using namespace pmctl;

namespace {

// Of one entry with the id "a" and these further members.
AdminAnswer answer_with(const std::string& members) {
    auto answer = parse_admin_answer(R"({"applications":[{"instanceId":"a",)" + members + "}]}");
    REQUIRE_MESSAGE(answer.has_value(), answer.error().message);
    REQUIRE(answer->entries.size() + answer->left_out.size() == 1);
    return *answer;
}
std::vector<AdminField> fields_of(const std::string& members) {
    const AdminAnswer answer = answer_with(members);
    INFO((answer.left_out.empty() ? "" : answer.left_out[0].reason));
    REQUIRE(answer.entries.size() == 1);
    CHECK(answer.entries[0].id == "a");
    return answer.entries[0].fields;
}
std::string reason_of(const std::string& members) {
    const AdminAnswer answer = answer_with(members);
    REQUIRE(answer.left_out.size() == 1);
    CHECK(answer.left_out[0].id == "a");
    return answer.left_out[0].reason;
}
std::string refusal(const std::string& body) {
    const auto answer = parse_admin_answer(body);
    REQUIRE(!answer);
    CHECK(answer.error().message.find('\n') == std::string::npos);
    return answer.error().message;
}
AdminField text(std::string key, std::string value) {
    return {std::move(key), std::move(value)};
}
using List = std::vector<std::string>;

}  // namespace

TEST_CASE("the entries of the existing service are understood") {
    const auto answer = parse_admin_answer(R"({"applications":[
        {"instanceId":"3bf3e3c0-1","appId":"github.com/acme/apps/login","displayName":"Login service",
         "hostName":"Login.acme.localhost.:8443","dbName":"login_1","createdAt":"2026-01-01","nothing":null},
        {"instanceId":"0a:b","appId":"shop"}]})");
    REQUIRE(answer.has_value());
    REQUIRE(answer->entries.size() == 2);
    CHECK(answer->left_out.empty());
    CHECK(answer->entries[0].id == "0a:b");  // by id
    CHECK(answer->entries[0].fields == std::vector{text("app", "shop")});
    CHECK(answer->entries[1].event == 0);
    CHECK(answer->entries[1].fields ==
          std::vector{text("app", "github.com/acme/apps/login"), text("db_name", "login_1"),
                      text("description", "Login service"),
                      AdminField{"hostname", List{"login.acme.localhost:8443"}}});
}

TEST_CASE("an empty list is a valid answer") {
    const auto answer = parse_admin_answer(" {\"applications\" : [ ] }\r\n");
    REQUIRE(answer.has_value());
    CHECK(*answer == AdminAnswer{});
}

TEST_CASE("each member becomes the field that it says") {
    struct Case {
        std::string members;
        std::vector<AdminField> fields;
    };
    const std::vector<Case> cases = {
        {R"("x":1)", {}},
        {R"("appId":null,"hostName":null,"env":null,"replicas":null,"health":null,"version":null)", {}},
        {R"("version":"1.2")", {text("version", "1.2")}},
        {R"("version":12)", {text("version", "12")}},
        {R"("version":18446744073709551615)", {text("version", "18446744073709551615")}},
        {R"("version":1.5)", {text("version", "1.5")}},
        {R"("replicas":3,"enabled":false)", {{"enabled", false}, {"replicas", std::int64_t{3}}}},
        {R"("replicas":0)", {{"replicas", std::int64_t{0}}}},
        {R"("env":{"B":"2","A":"","C":null})", {text("env.A", ""), text("env.B", "2")}},
        {R"("env":{"PEM":"a\nb\tc"})", {text("env.PEM", "a\nb\tc")}},
        {R"("env":{})", {}},
        {R"("hostName":"")", {}},
        {R"("hostName":["A.x","b.x.","a.x"])", {{"hostname", List{"a.x", "b.x"}}}},
        {R"("hostNames":["a"],"hostName":"b")", {{"hostname", List{"b", "a"}}}},
        {R"("hostNames":[])", {{"hostname", List{}}}},
        {R"("hostname":"C.x.")", {{"hostname", List{"c.x"}}}},
        {R"("hostName":"a","hostname":"b")", {{"hostname", List{"a"}}}},
        {R"("displayName":"Löwe","description":"b")", {text("description", "Löwe")}},
        {R"("health":{"path":"/ok","interval":"3s","color":"red","timeout":null})",
         {text("health.interval", "3s"), text("health.path", "/ok")}},
        {R"("limits":{"cpu":1.5,"tasks":7})", {{"limits.cpu", 1.5}, {"limits.tasks", std::int64_t{7}}}},
        {R"("command":["./a","--x"])", {{"command", List{"./a", "--x"}}}},
        {R"("port":8080)", {{"port", std::int64_t{8080}}}},
        {R"("url":{"path":{"deep":[1]}},"tags":[1,2])", {}},
        {R"("app":"direct")", {text("app", "direct")}},
        {R"("id":"z","version_":"\u0000")", {}},  // what is not ours is not looked at
    };
    for (const Case& each : cases) {
        CAPTURE(each.members);
        CHECK(fields_of(each.members) == each.fields);
    }
}

TEST_CASE("an entry with a field that is not allowed is left out, and the reason says which and why") {
    const std::string host_rule = ", allowed: a hostname such as \"shop.localhost\", with a port or without";
    struct Case {
        std::string members;
        std::string reason;
    };
    const std::vector<Case> cases = {
        {R"("appId":"../x")",
         "'appId' is '../x', allowed: an application id: no empty component, no \"..\", no leading \"/\""},
        {R"("appId":"")",
         "'appId' is '', allowed: an application id: no empty component, no \"..\", no leading \"/\""},
        {R"("appId":5)", "'appId' is 5, allowed: a string"},
        {R"("displayName":["x"])", "'displayName' is a list, allowed: a string"},
        {R"("displayName":"a\u0007b")",
         "'displayName' has a control character at byte 1, which is not allowed"},
        {R"("displayName":"\u0000")",
         "'displayName' has a control character at byte 0, which is not allowed"},
        {R"("displayName":"\u009b31m")",
         "'displayName' has a control character at byte 0, which is not allowed"},
        {R"("displayName":")" + std::string(max_admin_text_bytes + 1, 'x') + '"',
         "'displayName' has 4097 bytes, at most 4096 are allowed"},
        {R"("dbName":true)", "'dbName' is true, allowed: a string"},
        {R"("dbName":"a\nb")", "'dbName' has a control character at byte 1, which is not allowed"},
        {R"("hostName":"bad host")", "'hostName' is 'bad host'" + host_rule},
        {R"("hostName":["good","b\u001bd"])",
         "'hostName' has a control character at byte 1, which is not allowed"},
        {R"("hostName":["good","-bad"])", "'hostName' is '-bad'" + host_rule},
        {R"("hostNames":["good",""])", "'hostNames' is ''" + host_rule},
        {R"("hostName":["good",7])", "'hostName' is a list, allowed: a hostname or a list of hostnames"},
        {R"("hostName":7)", "'hostName' is 7, allowed: a hostname or a list of hostnames"},
        {R"("version":true)", "'version' is true, allowed: a string or a number"},
        {R"("version":"1\u007f")", "'version' has a control character at byte 1, which is not allowed"},
        {R"("replicas":-1)", "'replicas' is -1, allowed: an integer from 0 to 1000"},
        {R"("replicas":1001)", "'replicas' is 1001, allowed: an integer from 0 to 1000"},
        {R"("replicas":"2")", "'replicas' is '2', allowed: an integer from 0 to 1000"},
        {R"("replicas":2.0)", "'replicas' is 2, allowed: an integer from 0 to 1000"},
        {R"("replicas":18446744073709551615)",
         "'replicas' is 18446744073709551615, allowed: an integer from 0 to 1000"},
        {R"("enabled":"yes")", "'enabled' is 'yes', allowed: true or false"},
        {R"("env":["A=1"])", "'env' is a list, allowed: an object of strings"},
        {R"("env":{"A":1})", "'env.A' is 1, allowed: a string"},
        {R"("env":{"A":true})", "'env.A' is true, allowed: a string"},
        {R"("env":{"A":{"B":"c"}})", "'env.A' is an object, allowed: a string"},
        {R"("env":{"A B":"hidden"})",
         "'env' names 'A B', allowed: a letter or _, then letters, digits and _ . -"},
        {R"("env":{"":"hidden"})", "'env' names '', allowed: a letter or _, then letters, digits and _ . -"},
        {R"("env":{"A":"hidden\u0000"})", "'env.A' has a control character at byte 6, which is not allowed"},
        {R"("env":{"A":")" + std::string(max_admin_variable_bytes + 1, 'x') + "\"}",
         "'env.A' has 65537 bytes, at most 65536 are allowed"},
        {R"("health":{"path":"no slash"})",
         "'health.path' is 'no slash', allowed: a path that begins with \"/\", without spaces"},
        {R"("health":{"interval":5})",
         "'health.interval' is 5, allowed: a duration of at least 10ms, such as \"5s\" or \"1m30s\""},
        {R"("command":"sh -c x")", "'command' is 'sh -c x', allowed: a list of strings, the program first"},
        {R"("command":["a",["b"]])", "'command' is a list, allowed: a list of strings, the program first"},
        {R"("command":["a","b\u0000c"])",
         "'command' has a control character at byte 1, which is not allowed"},
        {R"("user":{"name":"x"})", "'user' is an object, allowed: a user's name or number"},
        {R"("umask":"\\'x\n")", "'umask' has a control character at byte 3, which is not allowed"},
        {R"("umask":"\\'x")",
         "'umask' is '\\x5c\\x27x', allowed: an octal number as a string, \"0000\" to \"0777\""},
    };
    for (const Case& each : cases) {
        CAPTURE(each.members.substr(0, 100));
        CHECK(reason_of(each.members) == each.reason);
    }
}

TEST_CASE("too many variables or list elements are not taken") {
    std::string env;
    std::string hosts;
    for (std::size_t i = 0; i <= max_admin_variables; ++i)
        env += (i > 0 ? ",\"V" : "\"V") + std::to_string(i) + "\":\"\"";
    for (std::size_t i = 0; i <= max_admin_list; ++i)
        hosts += (i > 0 ? ",\"h" : "\"h") + std::to_string(i) + '"';
    CHECK(reason_of("\"env\":{" + env + "}") == "'env' has 1001 variables, at most 1000 are allowed");
    CHECK(reason_of("\"hostName\":[" + hosts + "]") ==
          "'hostName' has 257 elements, at most 256 are allowed");
}

TEST_CASE("an entry that has no usable id is called by it as far as it can be shown, or by its place") {
    const auto answer = parse_admin_answer(R"({"applications":[
        {"instanceId":"good"}, {"instanceId":"../etc"}, {"appId":"x"}, {"instanceId":5}, "text", null,
        {"instanceId":""}, {"instanceId":"a\u001b[31m"}, {"instanceId":".."}]})");
    REQUIRE(answer.has_value());
    REQUIRE(answer->entries.size() == 1);
    CHECK(answer->entries[0].id == "good");
    const std::string rule = ", allowed: 1 to 128 of A-Z a-z 0-9 . _ : -";
    const std::vector<AdminOmission> wanted = {
        {"..", "'instanceId' is '..'" + rule},
        {"../etc", "'instanceId' is '../etc'" + rule},
        {"a\\x1b[31m", "'instanceId' is 'a\\x1b[31m'" + rule},
        {"entry 3", "has no 'instanceId'"},
        {"entry 4", "'instanceId' is 5" + rule},
        {"entry 5", "is 'text', allowed: an object"},
        {"entry 6", "is null, allowed: an object"},
        {"entry 7", "'instanceId' is ''" + rule},
    };
    CHECK(answer->left_out.size() == wanted.size());
    for (std::size_t i = 0; i < std::min(wanted.size(), answer->left_out.size()); ++i) {
        CHECK(answer->left_out[i].id == wanted[i].id);
        CHECK(answer->left_out[i].reason == wanted[i].reason);
    }
    const auto long_id =
        parse_admin_answer(R"({"applications":[{"instanceId":")" + std::string(129, 'x') + "\"}]}");
    REQUIRE(long_id.has_value());
    CHECK(long_id->entries.empty());
    CHECK(long_id->left_out.size() == 1);
}

TEST_CASE("an answer that is not what it should be is refused whole") {
    struct Case {
        std::string body;
        std::string error;
    };
    std::string deep = R"({"applications":[{"instanceId":"a","x":)";
    for (int i = 0; i < 100; ++i) deep += '[';
    for (int i = 0; i < 100; ++i) deep += ']';
    deep += "}]}";
    const std::vector<Case> cases = {
        {"", "the answer is no valid JSON: incomplete JSON at byte 0"},
        {"oops", "the answer is no valid JSON: syntax error at byte 0"},
        {"<html>", "the answer is no valid JSON: syntax error at byte 0"},
        {R"({"applications":[{"instanceId":"a"})", "the answer is no valid JSON: incomplete JSON at byte 35"},
        {R"({"applications":[]} x)", "the answer is no valid JSON: extra data at byte 20"},
        {R"({"applications":[]}{})", "the answer is no valid JSON: extra data at byte 19"},
        {R"({"applications":[,]})", "the answer is no valid JSON: syntax error at byte 17"},
        {std::string(R"({"applications":[]})") + '\0', "the answer is no valid JSON: extra data at byte 19"},
        {deep, "the answer is no valid JSON: too deep at byte 44"},
        {"[]", "the answer is a list, not an object"},
        {"null", "the answer is null, not an object"},
        {"\"x\\n\"", "the answer is 'x\\x0a', not an object"},
        {"{}", "the answer has no 'applications'"},
        {R"({"applications":{}})", "'applications' of the answer is an object, not a list"},
        {R"({"applications":null})", "'applications' of the answer is null, not a list"},
        {R"({"applications":[{"instanceId":"a"},{"instanceId":"b"},{"instanceId":"a"}]})",
         "the answer lists the id 'a' twice"},
        {R"({"applications":[{"instanceId":"a"},{"instanceId":"a","replicas":-1}]})",
         "the answer lists the id 'a' twice"},
        {R"({"applications":[{"instanceId":"/"},{"instanceId":"/"}]})", "the answer lists the id '/' twice"},
    };
    for (const Case& each : cases) {
        CAPTURE(each.body);
        CHECK(refusal(each.body) == each.error);
    }
    for (const char* bytes : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
        const std::string body =
            std::string(R"({"applications":[{"instanceId":"a","displayName":")") + bytes + "\"}]}";
        CHECK(refusal(body).starts_with("the answer is no valid JSON: "));
    }
}

TEST_CASE("an answer that is too large in any way is refused whole") {
    std::string body = R"({"applications":[],"x":")";
    body.append(max_admin_answer_bytes - body.size() - 2, 'x');
    body += "\"}";
    CHECK(parse_admin_answer(body).has_value());
    CHECK(refusal(body + ' ') == "the answer is over 16 MiB");

    std::string entries = R"({"applications":[1)";
    for (std::size_t i = 0; i < max_admin_entries; ++i) entries += ",1";
    CHECK(refusal(entries + "]}") == "the answer lists 100001 applications, at most 100000 are allowed");

    std::string values = R"({"applications":[],"x":["\",[{\\")";
    for (int i = 0; i < 2'000'000; ++i) values += ",1";
    CHECK(refusal(values + "]}") == "the answer is no valid JSON: more than 2000000 values");
}

TEST_CASE("an event is its id, and a version to be shown") {
    struct Case {
        std::string body;
        std::uint64_t id;
        std::string version;
    };
    const std::vector<Case> good = {
        {R"({"id":7,"version":"1.2.3"})", 7, "1.2.3"},
        {R"({"id":0})", 0, ""},
        {R"({"id":9223372036854775807,"version":4,"more":[{}]})", 9223372036854775807U, "4"},
        {R"({"version":"a\nb","id":1})", 1, "a b"},
        {R"({"version":"\u001b[1m","id":1})", 1, ""},
        {R"({"version":{"a":1},"id":1})", 1, ""},
    };
    for (const Case& each : good) {
        CAPTURE(each.body);
        const auto event = parse_admin_event(each.body);
        REQUIRE(event.has_value());
        CHECK(*event == AdminEvent{each.id, each.version});
    }
    const std::vector<std::pair<std::string, std::string>> bad = {
        {"", "the event is no valid JSON: incomplete JSON at byte 0"},
        {"7", "the event is 7, not an object"},
        {"{}", "the event has no 'id'"},
        {R"({"id":-1})", "'id' of the event is -1, allowed: an integer from 0 to 9223372036854775807"},
        {R"({"id":9223372036854775808})",
         "'id' of the event is 9223372036854775808, allowed: an integer from 0 to 9223372036854775807"},
        {R"({"id":"7"})", "'id' of the event is '7', allowed: an integer from 0 to 9223372036854775807"},
        {R"({"id":1.5})", "'id' of the event is 1.5, allowed: an integer from 0 to 9223372036854775807"},
        {R"({"id":1} trailing)", "the event is no valid JSON: extra data at byte 9"},
    };
    for (const auto& [body, error] : bad) {
        CAPTURE(body);
        const auto event = parse_admin_event(body);
        REQUIRE(!event);
        CHECK(event.error().message == error);
    }
}

TEST_CASE("a snapshot comes back exactly as it was") {
    AdminSnapshot snapshot;
    snapshot.event = 18446744073709551615U;
    snapshot.etag = "W/\"a\\b\"";
    snapshot.fetched_at = WallTime(Duration(1'795'341'234'123'456'789));
    snapshot.entries = {
        {"a", 41, {}},
        {"b",
         7,
         {{"command", List{"x", "", "ü \"\n"}},
          {"enabled", true},
          {"env.A", std::string("line\nline\x01\x7f €")},
          {"hostname", List{}},
          {"limits.cpu", 0.1},
          {"limits.more", 1.0},
          {"port", std::string("1")},
          {"replicas", std::int64_t{-9223372036854775807 - 1}},
          {"tiny", 5e-324},
          {"with nul", std::string("a\0b", 3)},
          {"zero", -0.5}}},
    };
    const std::string text = admin_snapshot_text(snapshot);
    const auto back = parse_admin_snapshot(text);
    REQUIRE_MESSAGE(back.has_value(), back.error().message);
    CHECK(*back == snapshot);
    CHECK(admin_snapshot_text(*back) == text);
    CHECK(text.starts_with(R"({"form":1,"event":18446744073709551615,"etag":"W/\"a\\b\"","fetched_at":)"));

    const auto empty = parse_admin_snapshot(admin_snapshot_text({}));
    REQUIRE(empty.has_value());
    CHECK(*empty == AdminSnapshot{});
}

TEST_CASE("an answer's entries come back from a snapshot as they were") {
    const auto answer = parse_admin_answer(
        R"({"applications":[{"instanceId":"b","limits":{"cpu":0.30000000000000004},"env":{"K":"\u20ac\n"}},
            {"instanceId":"a","hostName":["x.y:1"],"replicas":2,"enabled":true,"version":1e3}]})");
    REQUIRE(answer.has_value());
    AdminSnapshot snapshot;
    snapshot.entries = answer->entries;
    const auto back = parse_admin_snapshot(admin_snapshot_text(snapshot));
    REQUIRE(back.has_value());
    CHECK(*back == snapshot);
}

TEST_CASE("a text that is no snapshot is refused, and says why") {
    const std::string rest =
        R"("event":1,"etag":"","fetched_at":"2026-11-22T20:10:11.000000000Z","entries":)";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"", "no valid JSON: incomplete JSON at byte 0"},
        {"[]", "no snapshot of an admin service's state"},
        {"{}", "no snapshot of an admin service's state"},
        {R"({"form":2})", "of another form (2) than this version writes"},
        {R"({"form":1})", "'event' is missing or wrong"},
        {R"({"form":1,"event":-1})", "'event' is missing or wrong"},
        {R"({"form":1,"event":1})", "'etag' is missing or wrong"},
        {R"({"form":1,"event":1,"etag":""})", "'fetched_at' is missing or wrong"},
        {"{\"form\":1," + rest + "{}}", "'entries' is missing or wrong"},
        {"{\"form\":1," + rest + "[{}]}", "an entry has no 'id'"},
        {"{\"form\":1," + rest + R"([{"id":"a"}]})", "'event' of the entry 'a' is missing or wrong"},
        {"{\"form\":1," + rest + R"([{"id":"a","event":1,"fields":[]}]})",
         "'fields' of the entry 'a' is missing or wrong"},
        {"{\"form\":1," + rest + R"([{"id":"a","event":1,"fields":{"k":null}}]})",
         "'k' of the entry 'a' is wrong"},
        {"{\"form\":1," + rest + R"([{"id":"a","event":1,"fields":{"k":{"double":"0.1x"}}}]})",
         "'k' of the entry 'a' is wrong"},
        {"{\"form\":1," + rest + R"([{"id":"a","event":1,"fields":{"k":1,"j":1}}]})",
         "'fields' of the entry 'a' is not in order"},
        {"{\"form\":1," + rest + R"([{"id":"a","event":1,"fields":{}},{"id":"a","event":1,"fields":{}}]})",
         "'entries' is not in order"},
    };
    for (const auto& [text, error] : cases) {
        CAPTURE(text);
        const auto snapshot = parse_admin_snapshot(text);
        REQUIRE(!snapshot);
        CHECK(snapshot.error().message == error);
    }
    const auto bad_time =
        parse_admin_snapshot(R"({"form":1,"event":1,"etag":"","fetched_at":"noon","entries":[]})");
    REQUIRE(!bad_time);
    CHECK(bad_time.error().message.starts_with("'fetched_at': 'noon' is no time"));
}
