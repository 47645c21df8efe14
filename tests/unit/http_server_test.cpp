#include "supervisor/io/http_server.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "tests/unit/http_api_fixture.hpp"

namespace pmctl::test {

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
    HttpClient absolute = http.client();  // as to a proxy: what the target names counts
    absolute.send("GET http://web.test/v1/resolve HTTP/1.1\r\nHost: other\r\n\r\n");
    CHECK(absolute.answer().status == 200);
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
                           {"GET http://b/nothing" + host + "\r\n", 404},
                           {"GET ?a=b" + host + "\r\n", 400},
                           {"GET *" + host + "\r\n", 400},
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
        HttpServer::listen(loop.loop, "127.0.0.1:0", {.connections = 2},
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
        loop.loop, "127.0.0.1:0", {.connections = 10},
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

TEST_CASE("A connection without a request, and one without a further one, is closed after idle_time") {
    TestLoop loop;
    std::optional<HttpServer> server;
    auto opened =
        HttpServer::listen(loop.loop, "127.0.0.1:0", {.idle_time = std::chrono::milliseconds(30)},
                           {[&](HttpServer::Ticket ticket, const HttpRequest&) { server->reply(ticket, {}); },
                            [](HttpServer::Ticket) {}, [](HttpServer::Ticket) {}, [](HttpServer::Ticket) {}});
    REQUIRE(opened);
    server.emplace(std::move(*opened));
    HttpClient silent(loop, server->port());
    HttpClient halfway(loop, server->port());
    halfway.send("GET / HTT");
    HttpClient kept(loop, server->port());
    kept.get("/");
    CHECK(kept.answer().status == 200);
    for (HttpClient* each : {&silent, &halfway, &kept}) CHECK(loop.until([&] { return each->ended(); }));
    CHECK(server->connections() == 0);
}

TEST_CASE("A held request is not idle: it waits for as long as it may") {
    TestLoop loop;
    std::optional<HttpServer> server;
    auto opened =
        HttpServer::listen(loop.loop, "127.0.0.1:0", {.idle_time = std::chrono::milliseconds(10)},
                           {[&](HttpServer::Ticket ticket, const HttpRequest&) {
                                server->hold(ticket, Loop::now().steady + std::chrono::milliseconds(100));
                            },
                            [&](HttpServer::Ticket ticket) { server->reply(ticket, {}); },
                            [](HttpServer::Ticket) {}, [](HttpServer::Ticket) {}});
    REQUIRE(opened);
    server.emplace(std::move(*opened));
    HttpClient one(loop, server->port());
    one.get("/");
    CHECK(one.answer().status == 200);
}

TEST_CASE("A stream on which nothing happens says so from time to time") {
    TestLoop loop;
    std::optional<HttpServer> server;
    HttpServer::Ticket stream = 0;
    auto opened =
        HttpServer::listen(loop.loop, "127.0.0.1:0", {.keep_alive_comment = std::chrono::milliseconds(20)},
                           {[&](HttpServer::Ticket ticket, const HttpRequest&) {
                                if (server->stream(ticket)) stream = ticket;
                            },
                            [](HttpServer::Ticket) {}, [](HttpServer::Ticket) {}, [](HttpServer::Ticket) {}});
    REQUIRE(opened);
    server.emplace(std::move(*opened));
    HttpClient one(loop, server->port());
    one.get("/");
    CHECK(loop.until([&] { return one.pending().ends_with("\r\n\r\n:\n\n:\n\n:\n\n"); }));
    CHECK(server->connections() == 1);
}

TEST_CASE("Who comes while there is no descriptor left is served when there is one") {
    TestLoop loop;
    std::optional<HttpServer> server;
    auto opened =
        HttpServer::listen(loop.loop, "127.0.0.1:0", {},
                           {[&](HttpServer::Ticket ticket, const HttpRequest&) { server->reply(ticket, {}); },
                            [](HttpServer::Ticket) {}, [](HttpServer::Ticket) {}, [](HttpServer::Ticket) {}});
    REQUIRE(opened);
    server.emplace(std::move(*opened));
    HttpClient one(loop, server->port());
    one.get("/");
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const int next_free = ::dup(one.fd());
    ::close(next_free);
    const rlimit none_left{static_cast<rlim_t>(next_free), before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none_left);
    int turns = 0;
    loop.until([&] { return ++turns > 10; });
    const std::size_t accepted = server->connections();
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(accepted == 0);
    CHECK(one.answer().status == 200);
}

}  // namespace pmctl::test
