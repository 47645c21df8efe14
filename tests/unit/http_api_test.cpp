#include "supervisor/io/http_api.hpp"

#include <sys/stat.h>

#include <filesystem>

#include "supervisor/io/http_server.hpp"
#include "tests/unit/http_api_fixture.hpp"
#include "tests/unit/metrics_checker.hpp"

namespace pmctl::test {

TEST_CASE("A route is 200 with its upstream, 404 for a host nobody has, 503 while nobody is healthy") {
    HttpWorld http;
    http.run({served("web"), served("off")});
    http.world.stop({"off"});
    const auto found = http.get("/v1/routes/WEB.test.:80");
    CHECK(found.status == 200);
    CHECK(found.field("X-Upstream") == http.upstream("web"));
    CHECK(found.body == R"({"hostname":"web.test","instance":"web","address":"127.0.0.1","port":)" +
                            std::to_string(http.world.effects.process("web")->port) + R"(,"upstream":")" +
                            http.upstream("web") + R"(","generation":)" +
                            std::to_string(http.world.supervisor().routes().generation()) + "}\n");
    CHECK(http.get("/v1/routes/other.test").status == 404);
    CHECK(http.get("/v1/routes/web%2Etest").status == 200);
    const auto down = http.get("/v1/routes/off.test");
    CHECK(down.status == 503);
    CHECK(down.field("Retry-After") == "1");
    CHECK(down.body.find(R"({"error":{"code":503,"kind":"unavailable")") == 0);
}

TEST_CASE("resolve takes the host from X-Forwarded-Host or Host, and speaks nginx' auth_request") {
    HttpWorld http;
    http.run({served("web"), served("off")});
    http.world.stop({"off"});
    HttpClient one = http.client();
    const auto ask = [&](const std::string& target, const std::string& headers) {
        one.send("GET " + target + " HTTP/1.1\r\n" + headers + "\r\n");
        return one.answer();
    };
    CHECK(ask("/v1/resolve", "Host: web.test:8443\r\n").field("X-Upstream") == http.upstream("web"));
    CHECK(ask("/v1/resolve", "Host: api\r\nX-Forwarded-Host: web.test\r\n").status == 200);
    CHECK(ask("/v1/resolve", "Host: web.test\r\nX-Forwarded-Host: none.test, web.test\r\n").status == 404);
    CHECK(ask("/v1/resolve", "Host: off.test\r\n").status == 503);
    const auto good = ask("/v1/resolve?auth_request=1", "Host: web.test\r\n");
    CHECK(good.status == 200);
    CHECK(good.field("X-Route-Status") == "200");
    const auto unknown = ask("/v1/resolve?auth_request=1", "Host: none.test\r\n");
    CHECK(unknown.status == 401);
    CHECK(unknown.field("X-Route-Status") == "404");
    const auto down = ask("/v1/resolve?auth_request=1", "Host: off.test\r\n");
    CHECK(down.status == 403);
    CHECK(down.field("X-Route-Status") == "503");
    CHECK(down.field("X-Upstream") == "");
}

TEST_CASE("The table has an ETag: 304 while it is the same, also after a wait, and another when it moves") {
    HttpWorld http;
    http.run({served("web")});
    const auto first = http.get("/v1/routes");
    CHECK(first.status == 200);
    CHECK(
        first.body.find(R"("routes":[{"hostname":"web.test","instance":"web","upstreams":[{"name":"web")") !=
        std::string::npos);
    const std::string same = "If-None-Match: \"x\", W/" + first.field("ETag") + "\r\n";
    const auto not_modified = http.get("/v1/routes", same);
    CHECK(not_modified.status == 304);
    CHECK(not_modified.field("ETag") == first.field("ETag"));
    CHECK(http.get("/v1/routes?wait=1ms", same).status == 304);
    CHECK(http.get("/v1/routes?wait=60s", "If-None-Match: \"x\"\r\n").status == 200);
    CHECK(http.get("/v1/routes?wait=soon", same).status == 400);
    CHECK(http.get("/v1/routes?wait=-1s", same).status == 400);

    HttpClient waiting = http.client();
    waiting.get("/v1/routes?wait=60s", same);
    REQUIRE(http.loop.until([&] { return http.api.held() == 1; }));
    http.api.changed();  // something else has
    CHECK(http.api.held() == 1);
    http.world.stop({"web"});
    http.api.changed();
    const auto moved = waiting.answer();
    CHECK(moved.status == 200);
    CHECK(moved.body.find(R"("upstreams":[])") != std::string::npos);
    CHECK(moved.field("ETag") != first.field("ETag"));
}

TEST_CASE("A thousand waiting requests are answered by one change, and those that have gone are forgotten") {
    HttpWorld http;
    http.run({served("web")});
    const std::string same = "If-None-Match: " + http.get("/v1/routes").field("ETag") + "\r\n";
    std::vector<HttpClient> clients;
    constexpr int many = 1000;
    for (int i = 0; i < many; ++i) {
        clients.push_back(http.client());
        clients.back().get("/v1/routes?wait=60s", same);
    }
    REQUIRE(http.loop.until([&] { return http.api.held() == many; }));
    for (int i = 0; i < 100; ++i) clients.pop_back();
    REQUIRE(http.loop.until([&] { return http.api.held() == many - 100; }));
    http.world.stop({"web"});
    http.api.changed();
    CHECK(http.api.held() == 0);
    for (HttpClient& each : clients) REQUIRE(each.answer().status == 200);
}

TEST_CASE("Proxies get the table in their own forms, the same to the byte each time") {
    HttpWorld http;
    InstanceSpec two = served("two");
    two.replicas = 2;
    two.hostnames = {"b.test:8443", "a.test"};
    InstanceSpec off = served("off");
    off.enabled = false;
    http.world.apply({two, off});
    REQUIRE(http.world.run_until_phase("two:1", Phase::Running));
    const std::string first = http.upstream("two");
    const std::string second = http.upstream("two:1");
    const std::string port = first.substr(first.find(':') + 1);
    const auto map = http.get("/v1/proxies/haproxy.map");
    CHECK(map.body == "a.test " + port + "\nb.test " + port + "\nb.test:8443 " + port + "\noff.test 0\n");
    CHECK(map.field("Content-Type") == "text/plain; charset=utf-8");
    CHECK(http.get("/v1/proxies/traefik").body ==
          R"j({"http":{"routers":{"a.test":{"rule":"Host(`a.test`)","service":"two"},)j"
          R"j("b.test":{"rule":"Host(`b.test`)","service":"two"},)j"
          R"j("off.test":{"rule":"Host(`off.test`)","service":"off"}},)j"
          R"j("services":{"off":{"loadBalancer":{"servers":[]}},)j"
          R"j("two":{"loadBalancer":{"servers":[{"url":"http://)j" +
              first + R"j("},{"url":"http://)j" + second + "\"}]}}}}}\n");
    CHECK(
        http.get("/v1/sd/prometheus").body ==
        R"([{"targets":[")" + first +
            R"("],"labels":{"__meta_pmctl_hostnames":"a.test,b.test:8443","__meta_pmctl_instance":"two","__meta_pmctl_name":"two:0"}},)"
            R"({"targets":[")" +
            second +
            R"("],"labels":{"__meta_pmctl_hostnames":"a.test,b.test:8443","__meta_pmctl_instance":"two","__meta_pmctl_name":"two:1"}}])"
            "\n");
    CHECK(http.get("/v1/sd/prometheus").body == http.get("/v1/sd/prometheus").body);
}

TEST_CASE("Instances are shown as status --json shows them; an unknown one is 404") {
    HttpWorld http;
    http.run({served("web"), served("db")});
    const auto all = http.get("/v1/instances");
    CHECK(all.status == 200);
    CHECK(all.body.find(R"("name":"db")") < all.body.find(R"("name":"web")"));
    const auto one = http.get("/v1/instances/web");
    CHECK(one.body.find(R"("state":"Running")") != std::string::npos);
    CHECK(one.body.find(R"("name":"db")") == std::string::npos);
    CHECK(http.get("/v1/instances/wbe").status == 404);
}

TEST_CASE("healthz answers, readyz once the first configuration is applied, metrics hold to the format") {
    HttpWorld http;
    CHECK(http.get("/healthz").status == 200);
    CHECK(http.get("/readyz").status == 503);
    http.run({served("web")});
    CHECK(http.get("/readyz").status == 200);
    const auto metrics = http.get("/metrics");
    CHECK(metrics.field("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
    const MetricsChecked checked = MetricsChecker().check(metrics.body);
    CHECK(checked.fault == "");
    CHECK(checked.samples.at("pmctl_supervisor_resident_memory_bytes") > 0);
    CHECK(checked.samples.at("pmctl_supervisor_open_fds") > 3);
    CHECK(checked.samples.at("pmctl_http_connections") >= 1);
    http.world.supervisor().finish(false, "the end", http.world.now());
    CHECK(http.get("/readyz").status == 503);
}

TEST_CASE("Events come as they happen, from Last-Event-ID on, none lost or doubled") {
    HttpWorld http;
    http.run({served("web")});
    const auto note = [&](int number) {
        http.world.supervisor().note("web", "command", "note " + std::to_string(number), http.world.now());
        http.api.changed();
    };
    for (int i = 0; i < 1000; ++i) note(i);
    const std::uint64_t last = http.world.supervisor().journal().last_number();
    HttpClient behind = http.client();
    behind.get("/v1/events", "Last-Event-ID: " + std::to_string(last - 1000) + "\r\n");
    HttpClient fresh = http.client();
    fresh.get("/v1/events?last=1");
    const auto has = [&](HttpClient& client, int number) {
        return http.loop.until([&] {
            return client.pending().find("\"text\":\"note " + std::to_string(number) + "\"}") !=
                   std::string::npos;
        });
    };
    REQUIRE(has(fresh, 999));
    note(1000);
    REQUIRE(has(fresh, 1000));
    REQUIRE(has(behind, 1000));
    CHECK(fresh.pending().find("note 998") == std::string::npos);
    CHECK(fresh.pending().find("Content-Type: text/event-stream\r\n") != std::string::npos);
    std::size_t at = 0;
    for (int i = 0; i <= 1000; ++i) {
        const std::string id =
            "id: " + std::to_string(last - 999 + static_cast<std::uint64_t>(i)) + "\nevent: command\ndata: {";
        const auto next = behind.pending().find(id, at);
        REQUIRE(next != std::string::npos);
        REQUIRE(behind.pending().find("id: ", at) == next);
        at = next + id.size();
    }
    HttpClient wrong = http.client();
    wrong.get("/v1/events", "Last-Event-ID: x\r\n");
    CHECK(wrong.answer().status == 400);
}

TEST_CASE("A question for an instance on demand is held until it is healthy; a thousand start it once") {
    HttpWorld http;
    InstanceSpec web = served("web");
    web.policy.on_demand = true;
    http.run({web});
    http.world.checks_everything = false;  // its clock is not the API's
    std::vector<HttpClient> clients;
    for (int i = 0; i < 1000; ++i) {
        clients.push_back(http.client());
        clients.back().get(i % 2 == 0 ? "/v1/routes/web.test" : "/v1/resolve",
                           "X-Forwarded-Host: web.test\r\n");
    }
    REQUIRE(http.loop.until([&] { return http.api.held() == 1000; }));
    CHECK(http.world.effects.starts("web") == 1);
    // Those who wait ask again after each turn: that must not be one, or there would be no end to it.
    const std::size_t turns = http.world.effects.publishes;
    http.api.changed();
    CHECK(http.api.held() == 1000);
    CHECK(http.world.effects.publishes == turns);
    http.world.supervisor().checked(http.world.effects.process("web")->run, {true, "", Duration(1)},
                                    Loop::now());
    http.api.changed();
    CHECK(http.api.held() == 0);
    for (HttpClient& each : clients) REQUIRE(each.answer().field("X-Upstream") == http.upstream("web"));
}

TEST_CASE("A held question is answered 503 when its instance is stopped, or not healthy in time") {
    HttpWorld http;
    InstanceSpec web = served("web");
    web.policy.on_demand = true;
    InstanceSpec slow = served("slow");
    slow.policy.on_demand = true;
    slow.policy.health.startup_timeout = 5ms;
    http.run({web, slow});
    http.world.checks_everything = false;
    HttpClient asked = http.client();
    asked.get("/v1/routes/web.test");
    REQUIRE(http.loop.until([&] { return http.api.held() == 1; }));
    http.world.stop({"web"});
    http.api.changed();
    CHECK(asked.answer().status == 503);
    const auto late = http.get("/v1/routes/slow.test");
    CHECK(late.status == 503);
    CHECK(late.field("Retry-After") == "1");
}

TEST_CASE("HEAD is GET without the body; keep-alive and pipelining go on, and close ends") {
    HttpWorld http;
    http.run({served("web")});
    HttpClient one = http.client();
    one.get("/v1/routes/web.test", "", "HEAD");
    const auto head = one.answer(true);
    CHECK(head.status == 200);
    CHECK(head.field("Content-Length") != "0");
    std::string many;
    for (int i = 0; i < 500; ++i) many += "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    one.send(many + "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 501; ++i) REQUIRE(one.answer().status == 200);
    CHECK(http.loop.until([&] { return one.ended(); }));
    HttpClient old = http.client();
    old.send("GET /healthz HTTP/1.0\r\n\r\n");
    CHECK(old.answer().status == 200);
    CHECK(http.loop.until([&] { return old.ended(); }));
    HttpClient bytewise = http.client();
    for (const char c : std::string("\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"))
        bytewise.send(std::string(1, c));
    CHECK(bytewise.answer().status == 200);
}

TEST_CASE("What is no request for this API is refused in words, and harms nobody") {
    HttpWorld http;
    http.run({served("web")});
    HttpClient good = http.client();
    good.get("/healthz");
    CHECK(good.answer().status == 200);
    struct Row {
        std::string request;
        int status;
    };
    const std::string host = " HTTP/1.1\r\nHost: a\r\n";
    for (const Row& row : {Row{"POST /v1/routes" + host + "Content-Length: 0\r\n\r\n", 405},
                           {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404},
                           {"GET /nothing" + host + "\r\n", 404},
                           {"GET /v1/routes/%zz" + host + "\r\n", 404},
                           {"GET /healthz HTTP/1.1\r\n\r\n", 400},
                           {"GET /healthz" + host + "Content-Length: 5\r\n\r\nhello", 413},
                           {"GET /healthz" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413},
                           {"GET /healthz" + host + "X: " + std::string(20'000, 'x') + "\r\n\r\n", 431},
                           {"GET /" + std::string(40'000, 'x') + host + "\r\n", 431},
                           {std::string("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 11) + "\r\n\r\n", 400},
                           {"hello\r\n\r\n", 400}}) {
        CAPTURE(row.request.substr(0, 60));
        HttpClient one = http.client();
        one.send(row.request);
        const auto answer = one.answer();
        CHECK(answer.status == row.status);
        CHECK(answer.body.find("{\"error\":{\"code\":" + std::to_string(row.status)) == 0);
        if (row.status == 405) CHECK(answer.field("Allow") == "GET, HEAD");
    }
    std::uint32_t random = 1;
    for (int i = 0; i < 300; ++i) {
        HttpClient one = http.client();
        std::string noise;
        for (int j = 0; j < 200; ++j)
            noise += static_cast<char>((random = random * 1664525 + 1013904223) >> 24);
        one.send((i % 2 == 0 ? "GET /v1/routes/" : "") + noise);
    }
    good.get("/healthz");
    CHECK(good.answer().status == 200);
}

TEST_CASE("A client that asks and never reads is held up alone, and its answers do not pile up") {
    HttpWorld http;
    std::vector<InstanceSpec> specs;
    for (int i = 0; i < 300; ++i) {
        InstanceSpec each = service("i" + std::to_string(i));
        each.enabled = false;
        for (int j = 0; j < 10; ++j)
            each.hostnames.push_back("h" + std::to_string(j) + ".i" + std::to_string(i) + ".test");
        specs.push_back(each);
    }
    http.world.apply(specs);
    HttpClient greedy = http.client();
    std::string many;
    for (int i = 0; i < 150; ++i) many += "GET /v1/routes HTTP/1.1\r\nHost: a\r\n\r\n";
    greedy.send(many);
    CHECK(http.get("/healthz").status == 200);
    // When it reads after all nothing is missing.
    for (int i = 0; i < 150; ++i) REQUIRE(greedy.answer().status == 200);
}

TEST_CASE("A Unix socket is served, a dead one is replaced, a live one and a file are left alone") {
    std::array<char, 32> name{"/tmp/pmctl-http-XXXXXX"};
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    const std::string path = std::string(name.data()) + "/api";
    {
        HttpWorld http("unix:" + path);
        HttpClient one(http.loop, path);
        one.get("/healthz");
        CHECK(one.answer().status == 200);
        HttpWorld second("unix:" + path);
        REQUIRE(second.told.size() == 1);
        CHECK(second.told[0].find("Address already in use") != std::string::npos);
        CHECK(std::filesystem::exists(path));
    }
    CHECK_FALSE(std::filesystem::exists(path));
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    ::close(dead);
    {
        HttpWorld http("unix:" + path);
        CHECK(http.told.empty());
        HttpClient one(http.loop, path);
        one.get("/healthz");
        CHECK(one.answer().status == 200);
    }
    std::filesystem::remove_all(name.data());
}

TEST_CASE("A port that another holds is said once, and taken as soon as it is free") {
    auto first = std::make_unique<HttpWorld>();
    const std::string address = "127.0.0.1:" + std::to_string(first->api.port());
    HttpWorld second(address);
    REQUIRE(second.told.size() == 1);
    CHECK(second.told[0].find("cannot listen on '" + address + "': it is held by pid ") != std::string::npos);
    CHECK(second.api.port() == 0);
    first.reset();
    REQUIRE(second.loop.until([&] { return second.api.port() != 0; }));
    CHECK(second.told.size() == 2);
    CHECK(second.get("/healthz").status == 200);
    HttpWorld off("");
    CHECK(off.told.empty());
    CHECK(off.api.port() == 0);
}

TEST_CASE("More connections than are allowed are told so, and there is room again when others go") {
    TestLoop loop;
    std::optional<HttpServer> server;
    auto opened =
        HttpServer::listen(loop.loop, "127.0.0.1:0", 2,
                           {[&](HttpServer::Ticket ticket, const HttpRequest&) { server->reply(ticket, {}); },
                            [](HttpServer::Ticket) {}, [](HttpServer::Ticket) {}, [](HttpServer::Ticket) {}});
    REQUIRE(opened);
    server.emplace(std::move(*opened));
    HttpClient one(loop, server->port());
    HttpClient two(loop, server->port());
    REQUIRE(loop.until([&] { return server->connections() == 2; }));
    HttpClient three(loop, server->port());
    CHECK(three.answer().status == 503);
    one.close();
    REQUIRE(loop.until([&] { return server->connections() == 1; }));
    HttpClient four(loop, server->port());
    four.get("/");
    CHECK(four.answer().status == 200);
}

TEST_CASE("A stream whose client does not read is dropped when too much waits for it") {
    TestLoop loop;
    std::optional<HttpServer> server;
    HttpServer::Ticket stream = 0;
    bool lost = false;
    auto opened = HttpServer::listen(
        loop.loop, "127.0.0.1:0", 10,
        {[&](HttpServer::Ticket ticket, const HttpRequest&) {
             if (server->stream(ticket)) stream = ticket;
         },
         [](HttpServer::Ticket) {}, [&](HttpServer::Ticket) { lost = true; }, [](HttpServer::Ticket) {}});
    REQUIRE(opened);
    server.emplace(std::move(*opened));
    HttpClient one(loop, server->port());
    one.get("/");
    REQUIRE(loop.until([&] { return stream != 0; }));
    const std::string piece(100'000, 'x');
    for (int i = 0; i < 1000 && !lost; ++i) server->push(stream, piece);
    CHECK(lost);
    CHECK(server->connections() == 0);
}

}  // namespace pmctl::test
