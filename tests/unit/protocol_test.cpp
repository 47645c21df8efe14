#include "shared/protocol.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <random>

#include "shared/json_text.hpp"

using namespace pmctl;
using namespace std::chrono_literals;

namespace {

const WallTime moment{std::chrono::nanoseconds(1'795'376'411'123'456'789)};

StatusRow full_row() {
    StatusRow row;
    row.name = "web:1";
    row.instance = "web";
    row.app = "shop";
    row.group = "front";
    row.origin = "static";
    row.wanted = "running";
    row.state = "Unhealthy";
    row.reason = "2 failed checks: \"503\"\n\\ ünïcode \x01";
    row.pid = 4242;
    row.port = 30001;
    row.hostnames = {"a.localhost", "b.localhost"};
    row.started_at = moment;
    row.uptime = 12345678901ns;
    row.restarts = 18'446'744'073'709'551'615ULL;
    row.exit_status = ExitText{std::nullopt, "SIGKILL"};
    row.next_start_at = moment + 1s;
    row.health = HealthRow{false, moment, 1'250'000ns, 2, "HTTP 503"};
    row.update = UpdateRow{"failed", "not healthy in time"};
    row.spec = "stale";
    row.limits = {{"memory", "512MiB"}, {"open_files", "1024"}};
    row.run = 7;
    row.change = 99;
    row.outlook = Outlook::Stuck;
    return row;
}

const Targets some{{"web", "@front", "w*"}, true};

std::vector<Request> every_request() {
    return {HelloRequest{},
            StatusRequest{some, 12, 1500ms, true},
            DescribeRequest{"web"},
            StartRequest{some},
            StopRequest{some},
            RestartRequest{some, true},
            ReloadRequest{true, true},
            LogsRequest{some, false, true, 10, moment, "c:1", 30s},
            LogsRequest{},
            EventsRequest{some, 7, 20, 1ms},
            WhyRequest{"web:1"},
            ConfigRequest{"web", true},
            PortsRequest{},
            ScaleRequest{{{"web", 3}, {"db", 0}}},
            SignalRequest{"HUP", some},
            ResetRequest{some},
            DownRequest{true},
            AdminRequest{},
            RoutesRequest{"shop.localhost", 7, 30s},
            ReportRequest{some, moment},
            UpgradeRequest{90s}};
}

std::vector<Reply> every_reply() {
    return {
        HelloReply{1, "0.1.0", 17, "/etc/pmctl/pmctl.toml", moment},
        StatusReply{8,
                    {full_row(), StatusRow{}},
                    {"old"},
                    "no cgroups",
                    AdminOutage{moment, "connection refused", true, "admin", moment},
                    DescribeReply{full_row(), {"./server"}}},
        DescribeReply{full_row(),
                      {"./server", "--port"},
                      "/srv",
                      "checked in 3 s",
                      "The shop",
                      "/var/x",
                      {{"pmctl why web", "what happened"}},
                      {"pid 42 on port 30000: drains, told to end in 5s"},
                      {{"web", moment, true, false, "text"}}},
        ActionReply{5, {{"web", 3, "was running already", "Running"}, {"db", 0, "", "Starting"}}},
        ReloadReply{6, {{"web", "replace", "command changed"}}, {"db"}, {"a warning"}},
        LogsReply{
            {{"web", moment, true, true, "text"}, {"db", moment, false, false, std::string("\xff\0\xc3", 3)}},
            "cursor",
            true,
            {"lost"}},
        EventsReply{{{3, moment, "web", "state", "Running → Failed"}}, 3},
        WhyReply{full_row(), {{1, moment, "web", "decision", "text"}}, "started in 2 s"},
        ConfigReply{{{"instances.web.port", "\"auto\"", "default"}}},
        PortsReply{30000, 31000, 998, {{30001, "web", "used"}}},
        RoutesReply{9, {{"shop.localhost", "127.0.0.1:30001", "web:1", "Running"}, {"x", "", "y", "Failed"}}},
        ReportReply{moment,
                    moment,
                    moment,
                    3s,
                    {{"web", 10s, 9s, 1, 2, 3, {1, 1s, 2s, 3s, 4s}, moment}, {}},
                    {"", 20s, 9s, 1, 2, 3, {}, {}},
                    {7, 1ms, 2ms, 3ms, 4ms},
                    5s,
                    100s,
                    12 << 20},
        AdminReply{"https://admin",
                   "admin",
                   "poll",
                   42,
                   moment,
                   moment,
                   moment,
                   "HTTP 401",
                   true,
                   3,
                   "HTTP 504",
                   moment,
                   12,
                   {{"bad", "no template"}},
                   {"a", "b"},
                   7,
                   3ms,
                   2ms,
                   9ms}};
}

int code_of(const tl::expected<IncomingRequest, Refusal>& parsed) {
    return parsed ? 0 : parsed.error().code;
}

}  // namespace

TEST_CASE("every request comes out as it went in") {
    for (const Request& request : every_request()) {
        const std::string text = to_text(42, request);
        INFO(text);
        const auto parsed = parse_request(text);
        REQUIRE(parsed.has_value());
        CHECK(parsed->id == 42);
        CHECK(parsed->request == request);
    }
    CHECK(every_request().size() == std::variant_size_v<Request> + 1);
}

TEST_CASE("every reply comes out as it went in") {
    for (const Reply& reply : every_reply()) {
        const std::string text = to_text(43, reply);
        INFO(text);
        const auto parsed = parse_reply(text, 43);
        REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message);
        CHECK(*parsed == reply);
        CHECK(is_utf8(text));
    }
    CHECK(every_reply().size() == std::variant_size_v<Reply>);
}

TEST_CASE("an error keeps its kind and its message") {
    for (const auto kind : {ErrorKind::Failed, ErrorKind::Invalid, ErrorKind::Unsettled, ErrorKind::NotFound,
                            ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Denied}) {
        const Error error{kind, "no instance 'wbe', did you mean 'web'?"};
        const auto parsed = parse_reply(error_text(1, error), 1);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error() == error);
    }
    CHECK(parse_reply(R"({"jsonrpc":"2.0","id":1,"error":{"code":-32001}})", 1).error().message ==
          "the supervisor's answer is not understood: an error that does not say which");
    CHECK(
        error_text(1, Error{ErrorKind::NotFound, "x"}) ==
        R"({"jsonrpc":"2.0","id":1,"error":{"code":-32004,"message":"x","data":{"kind":"not_found","exit":4}}})");
}

TEST_CASE("a request that is none is refused with the code of JSON-RPC") {
    CHECK(code_of(parse_request("{")) == Refusal::no_json);
    CHECK(code_of(parse_request("")) == Refusal::no_json);
    CHECK(code_of(parse_request("[]")) == Refusal::no_request);
    CHECK(code_of(parse_request(R"({"jsonrpc":"2.0","method":"hello"})")) == Refusal::no_request);
    CHECK(code_of(parse_request(R"({"jsonrpc":"2.0","id":-1,"method":"hello"})")) == Refusal::no_request);
    CHECK(code_of(parse_request(R"({"jsonrpc":"1.0","id":1,"method":"hello"})")) == Refusal::no_request);
    CHECK(code_of(parse_request(R"({"jsonrpc":"2.0","id":1,"method":"explode"})")) == Refusal::no_method);
    CHECK(code_of(parse_request(R"({"jsonrpc":"2.0","id":1,"method":"describe"})")) == Refusal::wrong_params);
    CHECK(code_of(parse_request(R"({"jsonrpc":"2.0","id":1,"method":"status","params":[]})")) ==
          Refusal::wrong_params);
    CHECK(code_of(parse_request(R"({"jsonrpc":"2.0","id":1,"method":"status","params":{"wait_ms":-1}})")) ==
          Refusal::wrong_params);
    CHECK(code_of(parse_request(R"({"jsonrpc":"2.0","id":1,"method":"stop","params":{"targets":[1]}})")) ==
          Refusal::wrong_params);
    CHECK(code_of(
              parse_request(R"({"jsonrpc":"2.0","id":1,"method":"scale","params":{"replicas":{"a":-1}}})")) ==
          Refusal::wrong_params);
    const auto refused = parse_request(R"({"jsonrpc":"2.0","id":9,"method":"explode"})");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().id == 9);
    CHECK(
        to_text(Refusal{std::nullopt, Refusal::no_json, "x"}) ==
        R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x","data":{"kind":"invalid","exit":2}}})");
}

TEST_CASE("a newer peer's fields are ignored and an older one's absent fields have their defaults") {
    const auto newer = parse_request(
        R"({"jsonrpc":"2.0","id":1,"method":"down","params":{"now":true,"gently":{"a":[1]}},"trace":"x"})");
    REQUIRE(newer.has_value());
    CHECK(newer->request == Request(DownRequest{true}));
    const auto older = parse_request(R"({"jsonrpc":"2.0","id":1,"method":"logs"})");
    REQUIRE(older.has_value());
    CHECK(older->request == Request(LogsRequest{}));
}

TEST_CASE("a reply to another request is not taken for this one's") {
    CHECK_FALSE(parse_reply(to_text(2, Reply(PortsReply{})), 1).has_value());
    CHECK_FALSE(parse_reply(R"({"jsonrpc":"2.0","id":1,"result":{"type":"novel"}})", 1).has_value());
    CHECK_FALSE(parse_reply("not json", 1).has_value());
}

TEST_CASE("random bytes and damaged messages give an error or a message, never a crash") {
    std::mt19937 random(20261122);
    std::vector<std::string> seeds;
    for (const Request& each : every_request()) seeds.push_back(to_text(1, each));
    for (const Reply& each : every_reply()) seeds.push_back(to_text(1, each));
    std::size_t refused = 0;
    for (int round = 0; round < 4000; ++round) {
        std::string text = round % 4 == 0 ? std::string(random() % 200, ' ') : seeds[random() % seeds.size()];
        const std::size_t damage = round % 4 == 0 ? text.size() : 1 + random() % 4;
        for (std::size_t i = 0; i < damage && !text.empty(); ++i)
            text[random() % text.size()] = static_cast<char>(random() % 256);
        if (!parse_request(text)) ++refused;
        if (!parse_reply(text, 1)) ++refused;
    }
    CHECK(refused > 4000);
    CHECK_FALSE(parse_request(std::string(100'000, '[')).has_value());
}

TEST_CASE(
    "status --json has exactly the keys of pmctl(1), in their order, null where there is nothing to say") {
    CHECK(status_json({}) == "[]");
    const std::string text = status_json({full_row(), StatusRow{}});
    const auto rows = boost::json::parse(text).as_array();
    const std::vector<std::string> keys = {
        "name",        "instance",      "app",    "group",     "origin",     "wanted",    "state",
        "reason",      "pid",           "port",   "hostnames", "started_at", "uptime_ms", "restarts",
        "exit_status", "next_start_at", "health", "update",    "spec",       "limits"};
    REQUIRE(rows.size() == 2);
    for (const auto& row : rows) {
        std::vector<std::string> found;
        for (const auto& each : row.as_object()) found.emplace_back(each.key());
        CHECK(found == keys);
    }
    const auto& row = rows[0].as_object();
    CHECK(row.at("started_at").as_string() == "2026-11-22T19:40:11.123Z");
    CHECK(row.at("uptime_ms").as_int64() == 12345);
    CHECK(row.at("exit_status") == boost::json::parse(R"({"signal":"SIGKILL"})"));
    CHECK(
        row.at("health") ==
        boost::json::parse(
            R"({"ok":false,"checked_at":"2026-11-22T19:40:11.123Z","latency_ms":1.25,"failures":2,"error":"HTTP 503"})"));
    CHECK(row.at("update") == boost::json::parse(R"({"state":"failed","reason":"not healthy in time"})"));
    const auto& bare = rows[1].as_object();
    for (const char* key : {"app", "group", "reason", "pid", "port", "started_at", "uptime_ms", "exit_status",
                            "next_start_at", "health", "update"}) {
        CHECK_MESSAGE(bare.at(key).is_null(), key);
    }
    CHECK(bare.at("limits").as_object().empty());
}

TEST_CASE("base64 goes there and back and refuses what is none") {
    for (std::size_t length = 0; length < 20; ++length) {
        std::string bytes;
        for (std::size_t i = 0; i < length; ++i) bytes += static_cast<char>(i * 37 + 200);
        std::string back;
        REQUIRE(from_base64(to_base64(bytes), back));
        CHECK(back == bytes);
    }
    CHECK(to_base64("pmctl") == "cG1jdGw=");
    std::string ignored;
    for (const char* wrong : {"a", "ab=c", "====", "a===", "cG1j!A==", "=abc"})
        CHECK_FALSE_MESSAGE(from_base64(wrong, ignored), wrong);
}

TEST_CASE("what is no UTF-8 is replaced, byte by byte") {
    std::string text;
    JsonWriter(text).string("a\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80ok");
    CHECK(is_utf8(text));
    CHECK(text.find("ok") != std::string::npos);
    CHECK_FALSE(is_utf8("\xe2\x82"));
    CHECK(is_utf8("€ 𝄞"));
}
