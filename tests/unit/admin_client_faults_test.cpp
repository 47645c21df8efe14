#include <poll.h>

#include "tests/unit/admin_client_fixture.hpp"

using namespace pmctl;
using namespace pmctl::test;
using Kind = AdminResult::Kind;
using Peer = ScriptedService::Peer;

namespace {

const std::string one_entry = R"({"applications":[{"instanceId":"a","appId":"shop"}]})";

}  // namespace

TEST_CASE("each status means what it does, in the service's own words") {
    struct Case {
        std::string status;
        std::string body;
        Kind kind;
        std::string error;
    };
    const std::vector<Case> cases = {
        {"401 Unauthorized", "wrong secret\n", Kind::Refused, "HTTP 401: wrong secret"},
        {"403 Forbidden", "", Kind::Refused, "HTTP 403"},
        {"404 Not Found", "no such thing", Kind::NotFound, "HTTP 404: no such thing"},
        {"500 Oops", "\n  database is\tlocked\nat line 5", Kind::Failed, "HTTP 500: database is locked"},
        {"503 Busy", "<html><body>busy</body></html>", Kind::Failed, "HTTP 503"},
        {"400 Bad", "you sent s3cret-of-ours, s3cret-of-ours", Kind::Failed, "HTTP 400: you sent ***, ***"},
        {"500 Oops", std::string(180, 'x') + "s3cret-of-ours", Kind::Failed,
         "HTTP 500: " + std::string(180, 'x') + "***"},
        {"500 Oops", std::string(5000, 'x'), Kind::Failed, "HTTP 500: " + std::string(190, 'x') + "..."},
        {"500 Oops", "\x1b[31mred", Kind::Failed, "HTTP 500"},
        {"204 No Content", "", Kind::Failed, "HTTP 204"},
        {"101 Switching", "", Kind::Failed, "HTTP 101"},
        {"200 OK", "{", Kind::Failed, "the answer is no valid JSON: incomplete JSON at byte 1"},
        {"200 OK", R"({"applications":[{"instanceId":"s3cret-of-ours"},{"instanceId":"s3cret-of-ours"}]})",
         Kind::Failed, "the answer lists the id '***' twice"},
    };
    AdminClientTest test;
    test.set();
    for (const Case& each : cases) {
        CAPTURE(each.status);
        CAPTURE(each.body);
        ScriptedService service(test.loop,
                                [&](Peer& peer) { peer.send(reply_text(each.status, each.body)); });
        const AdminResult result = test.fetch(service.url());
        CHECK(result.kind == each.kind);
        CHECK(result.error == each.error);
    }
}

TEST_CASE("a redirect is not followed, and said") {
    AdminClientTest test;
    CHECK(test.error_of(reply_text("302 Found", "moved", "Location: https://x.y/s3cret-of-ours\x01\r\n")) ==
          "the answer is no HTTP: bad value");
    CHECK(test.error_of(reply_text("302 Found", "moved", "Location: https://x.y/?t=s3cret-of-ours\r\n")) ==
          "HTTP 302: redirects to 'https://x.y/?t=***', which is not followed");
    CHECK(test.error_of(reply_text("307 X", "moved")) == "HTTP 307: moved");
}

TEST_CASE("what is no whole answer is an error that says so") {
    AdminClientTest test;
    CHECK(test.error_of("", true) == "the connection was closed without an answer");
    CHECK(test.error_of("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", true) == "the answer was cut off");
    CHECK(test.error_of("HTTP/1.1 200 OK\r\nContent-Le", true) == "the answer was cut off");
    CHECK(test.error_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", true) ==
          "the answer was cut off");
    CHECK(test.error_of("SSH-2.0-OpenSSH_9\r\n") == "the answer is no HTTP: bad version");
    CHECK(test.error_of("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n") ==
          "the answer is no HTTP: bad Content-Length");
    CHECK(test.error_of("HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n") ==
          "the answer is over 16 MiB");
    CHECK(test.error_of("HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n") ==
          "the answer's header is over 16 KiB");
}

TEST_CASE("an answer without an end is given up at the limits") {
    AdminClientTest test;
    test.set();
    const std::string block(1 << 20, 'x');
    ScriptedService body(test.loop, [&](Peer& peer) {
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        peer.send_forever(block);
    });
    CHECK(test.fetch(body.url()).error == "the answer is over 16 MiB");
    ScriptedService chunks(test.loop, [&](Peer& peer) {
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.send_forever("100000\r\n" + block + "\r\n");
    });
    CHECK(test.fetch(chunks.url()).error == "the answer is over 16 MiB");
    ScriptedService header(test.loop, [&](Peer& peer) {
        peer.send("HTTP/1.1 200 OK\r\n");
        peer.send_forever("X-Y: Z\r\n");
    });
    CHECK(test.fetch(header.url()).error == "the answer's header is over 16 KiB");
}

TEST_CASE("the time of a call is over, wherever it is") {
    AdminClientTest test;
    test.set();
    // Where the machine stood still for so long that it came less far, it is given twice as long.
    const auto late = [&](const std::string& url, const std::string& where) {
        for (Duration limit = test.brief;; limit *= 2) {
            const std::string expected = "timed out after " + describe_duration(limit) + where;
            const std::string error = test.fetch(url, limit).error;
            if (error != expected && limit < std::chrono::seconds(5)) continue;
            CHECK(error == expected);
            return;
        }
    };
    ScriptedService silent(test.loop, [](Peer&) {});
    late(silent.url(), "");
    ScriptedService dripping(test.loop, [](Peer& peer) {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 15000000\r\n\r\n");
        peer.send_forever("x");
    });
    late(dripping.url(), " in the middle of the answer");
    late("https://127.0.0.1:" + silent.port, " in the TLS handshake");
}

TEST_CASE("a service that takes no connection is timed out too") {
    AdminClientTest test;
    test.set();
    Tcp::acceptor full(test.loop.context(), Tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    REQUIRE(::listen(full.native_handle(), 0) == 0);
    std::vector<Tcp::socket> waiting;
    for (int i = 0; i < 4; ++i) {
        waiting.emplace_back(test.loop.context());
        waiting.back().async_connect(full.local_endpoint(), [](const error_code&) {});
    }
    pollfd one{full.native_handle(), POLLIN, 0};  // waits to be accepted: now it is full
    REQUIRE(::poll(&one, 1, 20'000) == 1);
    test.settle();
    CHECK(test.fetch("http://127.0.0.1:" + std::to_string(full.local_endpoint().port()), test.brief).error ==
          "timed out after 400ms while connecting");
}

TEST_CASE("nobody listens") {
    AdminClientTest test;
    test.set();
    ScriptedService gone(test.loop, [](Peer&) {});
    gone.close();
    CHECK(test.fetch(gone.url()).error == "connection refused");
    CHECK(test.poll(gone.url("localhost")).error == "connection refused");
}
