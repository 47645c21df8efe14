#include "supervisor/io/http_api.hpp"

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

}  // namespace pmctl::test
