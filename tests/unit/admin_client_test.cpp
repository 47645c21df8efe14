#include "tests/unit/admin_client_fixture.hpp"

using namespace pmctl;
using namespace pmctl::test;
using Kind = AdminResult::Kind;
using Peer = ScriptedService::Peer;

namespace {

const std::string one_entry = R"({"applications":[{"instanceId":"a","appId":"shop"}]})";

}  // namespace

TEST_CASE("the calls go out as the service wants them, and their answers are read") {
    AdminClientTest test;
    std::string request;
    ScriptedService service(test.loop, [&](Peer& peer) {
        request = peer.request;
        peer.send(peer.target() == "/base/api/applications"
                      ? reply_text("200 OK", one_entry, "ETag: W/\"7\"\r\n")
                      : reply_text("200 OK", R"({"id":12,"version":"1.4"})"));
    });
    test.access.application_id = "the-app";
    test.set();
    const std::string common = "Host: 127.0.0.1:" + service.port +
                               "\r\nUser-Agent: pmctld/" PMCTL_VERSION
                               "\r\nAccept: application/json\r\nAuthorization: Bearer s3cret-of-ours"
                               "\r\nX-Internal-Secret: s3cret-of-ours\r\nX-Application-Id: the-app\r\n";

    const AdminResult fetched = test.fetch(service.url() + "/base/");
    CHECK(fetched.kind == Kind::Answer);
    CHECK(fetched.error.empty());
    CHECK(fetched.etag == "W/\"7\"");
    REQUIRE(fetched.answer.entries.size() == 1);
    CHECK(fetched.answer.entries[0].id == "a");
    CHECK(request == "GET /base/api/applications HTTP/1.1\r\n" + common + "Connection: keep-alive\r\n\r\n");

    const AdminResult event = test.poll(service.url() + "/base", 13);
    CHECK(event.kind == Kind::Event);
    CHECK(event.event == 12);
    CHECK(event.version == "1.4");
    CHECK(request == "GET /base/api/poll?e=13 HTTP/1.1\r\n" + common + "Connection: keep-alive\r\n\r\n");

    test.fetch(service.url() + "/base", test.generous, fetched.etag);
    CHECK(request == "GET /base/api/applications HTTP/1.1\r\n" + common +
                         "If-None-Match: W/\"7\"\r\nConnection: keep-alive\r\n\r\n");
    test.fetch(service.url() + "/base", test.generous, "\"x\"\r\nEvil: 1");
    CHECK(request.find("Evil") == std::string::npos);
}

TEST_CASE("each kind of call keeps one connection alive") {
    AdminClientTest test;
    ScriptedService service(test.loop, [&](Peer& peer) {
        peer.send(peer.target().starts_with("/api/poll") ? reply_text("200 OK", R"({"id":1})")
                                                         : reply_text("200 OK", one_entry));
    });
    test.set();
    for (int i = 1; i <= 3; ++i) {
        CHECK(test.fetch(service.url()).kind == Kind::Answer);
        CHECK(test.poll(service.url()).kind == Kind::Event);
        CHECK(service.connections == 2);
        CHECK(service.requests == 2 * i);
    }
    test.set();  // nothing is other than before
    test.fetch(service.url());
    CHECK(service.connections == 2);
    test.access.secret = "another";
    test.set();
    test.fetch(service.url());
    CHECK(service.connections == 3);
}

TEST_CASE("a connection is not used again where the answer says so") {
    AdminClientTest test;
    std::string more;
    ScriptedService service(test.loop, [&](Peer& peer) { peer.send(reply_text("200 OK", one_entry, more)); });
    test.set();
    more = "Connection: close\r\n";
    test.fetch(service.url());
    CHECK(test.fetch(service.url()).kind == Kind::Answer);
    CHECK(service.connections == 2);
}

TEST_CASE("another place has another connection") {
    AdminClientTest test;
    const auto answer = [](Peer& peer) { peer.send(reply_text("200 OK", one_entry)); };
    ScriptedService one(test.loop, answer);
    ScriptedService other(test.loop, answer);
    test.set();
    test.fetch(one.url());
    test.fetch(other.url());
    CHECK(one.connections == 1);
    CHECK(other.connections == 1);
}

TEST_CASE("a poll that is held delays no fetch") {
    AdminClientTest test;
    std::shared_ptr<Peer> held;
    ScriptedService service(test.loop, [&](Peer& peer) {
        if (!peer.target().starts_with("/api/poll")) return peer.send(reply_text("200 OK", one_entry));
        held = peer.shared_from_this();
        test.arrived();
    });
    test.set();
    const auto poll = test.begin_poll(service.url(), 5);
    test.run();
    REQUIRE(held != nullptr);
    for (int i = 0; i < 3; ++i) CHECK(test.fetch(service.url()).kind == Kind::Answer);
    held->send(reply_text("200 OK", R"({"id":5})"));
    CHECK(test.await(poll).event == 5);
}

TEST_CASE("a 304 with a plain-text body means that nothing came, and the connection stays") {
    AdminClientTest test;
    std::string body = "Not modified";
    ScriptedService service(test.loop, [&](Peer& peer) {
        peer.send(reply_text("304 Not Modified", body, "Content-Type: text/plain\r\n"));
    });
    test.set();
    for (int i = 0; i < 3; ++i) {
        const AdminResult result = test.poll(service.url());
        CHECK(result.kind == Kind::NotModified);
        CHECK(result.error.empty());
    }
    CHECK(service.connections == 1);
    body.clear();
    test.poll(service.url());
    CHECK(service.connections == 1);
    CHECK(test.fetch(service.url(), test.generous, "\"e\"").kind == Kind::NotModified);
    const AdminResult unasked = test.fetch(service.url());
    CHECK(unasked.kind == Kind::Failed);
    CHECK(unasked.error == "HTTP 304, though the request was not conditional");
}

TEST_CASE("what follows a 304 is not taken for the next answer") {
    for (const std::string& reply :
         {std::string("HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\nfar more than that"),
          std::string("HTTP/1.1 304 X\r\nContent-Length: 500\r\n\r\n"),
          std::string("HTTP/1.1 304 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"id\":9}"),
          std::string("HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")}) {
        CAPTURE(reply);
        AdminClientTest test;
        ScriptedService service(test.loop, [&](Peer& peer) { peer.send(reply); });
        test.set();
        CHECK(test.poll(service.url()).kind == Kind::NotModified);
        CHECK(test.poll(service.url()).kind == Kind::NotModified);
        CHECK(service.connections == 2);
    }
}

TEST_CASE("interim answers are read over") {
    AdminClientTest test;
    int count = 2;
    ScriptedService service(test.loop, [&](Peer& peer) {
        std::string text;
        for (int i = 0; i < count; ++i) text += "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
        peer.send(text + reply_text("200 OK", one_entry));
    });
    test.set();
    CHECK(test.fetch(service.url()).kind == Kind::Answer);
    count = 100;
    CHECK(test.fetch(service.url()).error == "more interim answers than are allowed");
}

TEST_CASE("an answer of any form that HTTP allows is read") {
    AdminClientTest test;
    const std::string chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{\"applications\":[ ] "
        "\r\n1\r\n}\r\n0\r\n\r\n";
    const std::string to_the_end = "HTTP/1.0 200 OK\r\n\r\n{\"applications\":[]}";
    test.set();
    for (const auto& [reply, closes] : std::vector<std::pair<std::string, bool>>{
             {chunked, false}, {to_the_end, true}, {reply_text("200 ", "{\"applications\":[]}"), false}}) {
        ScriptedService service(test.loop, [&](Peer& peer) { peer.send(reply, closes); });
        CHECK(test.fetch(service.url()).kind == Kind::Answer);
    }
}

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
    ScriptedService silent(test.loop, [](Peer&) {});
    CHECK(test.fetch(silent.url(), test.brief).error == "timed out after 40ms");
    ScriptedService dripping(test.loop, [](Peer& peer) {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 15000000\r\n\r\n");
        peer.send_forever("x");
    });
    CHECK(test.fetch(dripping.url(), test.brief).error == "timed out after 40ms in the middle of the answer");
    CHECK(test.fetch("https://127.0.0.1:" + silent.port, test.brief).error ==
          "timed out after 40ms in the TLS handshake");
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
    test.settle();
    CHECK(test.fetch("http://127.0.0.1:" + std::to_string(full.local_endpoint().port()), test.brief).error ==
          "timed out after 40ms while connecting");
}

TEST_CASE("nobody listens") {
    AdminClientTest test;
    test.set();
    ScriptedService gone(test.loop, [](Peer&) {});
    gone.close();
    CHECK(test.fetch(gone.url()).error == "connection refused");
    CHECK(test.poll(gone.url("localhost")).error == "connection refused");
}

TEST_CASE("a name is looked up, and the addresses that it has are tried in turn") {
    AdminClientTest test;
    test.set();
    // On most machines localhost has ::1 too, where nobody listens.
    ScriptedService service(test.loop, [](Peer& peer) {
        CHECK(peer.request.find("\r\nHost: localhost:") != std::string::npos);
        peer.send(reply_text("200 OK", one_entry));
    });
    CHECK(test.fetch(service.url("localhost")).kind == Kind::Answer);
}

TEST_CASE("an IPv6 address stands in brackets") {
    AdminClientTest test;
    test.set();
    std::string request;
    ScriptedService service(
        test.loop,
        [&](Peer& peer) {
            request = peer.request;
            peer.send(reply_text("200 OK", one_entry));
        },
        nullptr, "::1");
    if (service.port.empty()) return;  // no IPv6 here
    CHECK(test.fetch(service.url("[::1]")).kind == Kind::Answer);
    CHECK(request.find("\r\nHost: [::1]:" + service.port + "\r\n") != std::string::npos);
}

TEST_CASE("a kept connection that has died is no failure") {
    AdminClientTest test;
    test.set();
    bool dies = false;
    ScriptedService service(test.loop, [&](Peer& peer) {
        if (dies && peer.requests > 1) return peer.number % 2 == 1 ? peer.close() : peer.reset();
        peer.send(reply_text("200 OK", one_entry));
    });
    test.fetch(service.url());
    // Closed while idle.
    service.peer(1)->close();
    test.settle();
    CHECK(test.fetch(service.url()).kind == Kind::Answer);
    CHECK(service.connections == 2);
    // With the next request: reset, and then in the orderly way.
    dies = true;
    CHECK(test.fetch(service.url()).kind == Kind::Answer);
    CHECK(service.connections == 3);
    CHECK(test.fetch(service.url()).kind == Kind::Answer);
    CHECK(service.connections == 4);
    CHECK(service.requests == 6);
    // A farewell that came unasked is nobody's answer.
    dies = false;
    service.peer(4)->send("HTTP/1.1 408 Request Timeout\r\n\r\n", true);
    test.settle();
    CHECK(test.fetch(service.url()).kind == Kind::Answer);
    CHECK(service.connections == 5);
}

TEST_CASE("a request is sent again only where nothing of the answer came, and only once") {
    AdminClientTest test;
    test.set();
    std::string part;
    ScriptedService service(test.loop, [&](Peer& peer) {
        if (peer.requests == 1 && peer.number == 1) return peer.send(reply_text("200 OK", one_entry));
        peer.send(part, true);
    });
    test.fetch(service.url());
    CHECK(test.fetch(service.url()).error == "the connection was closed without an answer");
    CHECK(service.requests == 3);
    part = "HTTP/1.1";
    ScriptedService other(test.loop, [&](Peer& peer) {
        if (peer.requests == 1) return peer.send(reply_text("200 OK", one_entry));
        peer.send(part, true);
    });
    test.fetch(other.url());
    CHECK(test.fetch(other.url()).error == "the answer was cut off");
    CHECK(other.requests == 2);
}

TEST_CASE("a dropped call is answered no more, and the next one is") {
    AdminClientTest test;
    test.set();
    bool answers = false;
    ScriptedService service(test.loop, [&](Peer& peer) {
        if (answers) return peer.send(reply_text("200 OK", one_entry));
        test.arrived();
    });
    test.begin_fetch(service.url());
    test.client->drop();  // before anything is done
    test.settle();
    test.begin_fetch(service.url("localhost"));
    test.client->drop();  // while the name is looked up
    test.begin_fetch(service.url());
    test.run();
    test.begin_fetch(service.url());  // replaces it
    test.run();
    test.client->drop();
    test.begin_fetch(service.url());
    test.run();
    test.access.application_id = "another";
    test.set();
    answers = true;
    CHECK(test.fetch(service.url()).kind == Kind::Answer);
    CHECK(test.results.size() == 1);
    test.client->drop();  // nothing is under way: the connection is kept
    const int before = service.connections;
    CHECK(test.fetch(service.url()).kind == Kind::Answer);
    CHECK(service.connections == before);
}

TEST_CASE("the client may go at any moment") {
    const auto authority = make_certificate("authority", "", nullptr);
    const auto certificate = make_certificate("x", "IP:127.0.0.1", &authority);
    for (const bool is_tls : {false, true}) {
        for (int turns = 0; turns < 40; ++turns) {
            AdminClientTest test;
            test.access.insecure = true;
            test.set();
            ScriptedService service(
                test.loop, [](Peer& peer) { peer.send_forever("HTTP/1.1 200 OK\r\nX-Y: "); },
                is_tls ? &certificate : nullptr);
            test.begin_fetch(service.url());
            test.begin_poll(service.url("localhost"));
            for (int i = 0; i < turns; ++i) {
                test.loop.context().restart();
                test.loop.context().poll_one();
            }
            const auto before = test.results.size();
            test.client.reset();
            test.settle();
            CHECK(test.results.size() == before);
        }
    }
}

TEST_CASE("what is told of a reply may call again, drop, or destroy the client") {
    AdminClientTest test;
    test.set();
    ScriptedService service(test.loop, [](Peer& peer) { peer.send(reply_text("200 OK", one_entry)); });
    test.also = [&](std::uint64_t number) {
        if (number == 1) test.begin_fetch(service.url());
        if (number == 2) {
            test.client->drop();
            test.begin_fetch("http://");
        }
        if (number == 3) {
            test.begin_fetch(service.url());
            test.client.reset();
        }
    };
    test.begin_fetch(service.url());
    test.run_until_results(3);
    test.settle();
    REQUIRE(test.results.size() == 3);
    CHECK(test.results[1].second.kind == Kind::Answer);
    CHECK(test.results[2].second.error == "'http://': the host is missing");
}

TEST_CASE("without access there is an answer too, and not at once") {
    AdminClientTest test;
    const auto number = test.begin_fetch("http://127.0.0.1:1");
    CHECK(test.results.empty());
    CHECK(test.await(number).error == "the access to the service is not set up");
    test.set();
    test.begin_fetch("nonsense");
    test.client->drop();
    test.settle();
    CHECK(test.results.size() == 1);
}

TEST_CASE("access that cannot be used is refused, and the one before stays in force") {
    AdminClientTest test;
    CertificateFolder folder;
    test.set();
    ScriptedService service(test.loop, [](Peer& peer) {
        CHECK(peer.request.find("Bearer s3cret-of-ours\r\n") != std::string::npos);
        peer.send(reply_text("200 OK", one_entry));
    });
    const auto error_of = [&](const AdminAccess& access) {
        const auto done = test.client->set(access);
        REQUIRE(!done);
        return done.error().message;
    };
    const std::string none = folder.text("nothing here\n");
    const std::string damaged = folder.text("-----BEGIN CERTIFICATE-----\nxxxx\n-----END CERTIFICATE-----\n");
    const std::string empty = folder.text("");
    CHECK(error_of({"", "", "", false}) == "the secret is empty");
    CHECK(error_of({"a\r\nX: y", "", "", false}) ==
          "the secret has a control character, or more than one line");
    CHECK(error_of({"s", "a\nb", "", false}) ==
          "'admin.application_id' has a character that no header can hold");
    CHECK(error_of({"s", "", none, false}) == "'" + none + "' holds no certificate (PEM)");
    CHECK(error_of({"s", "", empty, false}) == "'" + empty + "' holds no certificate (PEM)");
    CHECK(
        error_of({"s", "", damaged, false}).starts_with("'" + damaged + "' a certificate cannot be read: "));
    CHECK(error_of({"s", "", none + ".gone", false}).find("No such file or directory") != std::string::npos);
    CHECK(test.fetch(service.url()).kind == Kind::Answer);
}
