#include <algorithm>
#include <random>

#include "tests/unit/probe_fixture.hpp"

using namespace pmctl;

namespace {

const std::string ok_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

bool is_ok(const CheckResult& result) {
    return result.ok && result.error.empty() && !result.inconclusive && result.latency > Duration::zero();
}

}  // namespace

TEST_CASE("a check asks in plain HTTP/1.1, and its connection serves the next one") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer& peer) { peer.send(ok_answer); });
    for (int i = 1; i <= 3; ++i) {
        CHECK(is_ok(test.check(server.port())));
        CHECK(server.connections == 1);
        CHECK(server.requests == i);
    }
    CHECK(server.last_request ==
          "GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
              "\r\nUser-Agent: pmctl/" PMCTL_VERSION "\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("without keep_alive each check has a connection of its own, and a kept one is given up") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer& peer) { peer.send(ok_answer); });
    CHECK(is_ok(test.check(server.port())));
    for (int i = 2; i <= 4; ++i) {
        CHECK(is_ok(test.check(server.port(), 1, ProbeTest::generous, false)));
        CHECK(server.connections == i);
    }
    CHECK(server.last_request.find("\r\nConnection: close\r\n") != std::string::npos);
}

TEST_CASE(
    "where others answer at the same port, an answer counts that comes from the session it is to come from") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer& peer) { peer.send(ok_answer); });
    const auto ask = [&](int session) {
        const auto before = test.results.size();
        test.probes.check(1, server.port(), "/", ProbeTest::generous, true, session);
        test.run_until(before + 1);
        return test.results.back().second;
    };
    CHECK(is_ok(ask(::getsid(0))));
    CHECK(is_ok(ask(::getsid(0))));
    CHECK(server.connections == 1);  // the other end of a kept connection stays whose it was
    const CheckResult other = ask(::getpid() == 1 ? 2 : 1);
    CHECK_FALSE(other.ok);
    CHECK(other.inconclusive);
    CHECK(other.error == "another process of the same socket has answered");
    CHECK(server.connections == 2);
    CHECK(is_ok(ask(0)));
    CHECK(server.connections == 3);
}

TEST_CASE("an answer in pieces is put together") {
    ProbeTest test;
    std::string answer = ok_answer;
    ScriptedServer server(test.loop, [&](ScriptedServer::Peer& peer) { peer.send_bytewise(answer); });
    CHECK(is_ok(test.check(server.port())));
    answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    CHECK(is_ok(test.check(server.port())));
    answer = "HTTP/1.1 100 Continue\r\n\r\n" + ok_answer;
    CHECK(is_ok(test.check(server.port())));
    answer = "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad";
    CHECK(test.check(server.port()).error == "HTTP 500 Oops: bad");
    CHECK(is_ok([&] {
        answer = ok_answer;
        return test.check(server.port());
    }()));
    CHECK(server.connections == 1);
}

TEST_CASE("what is not 2xx is told in words") {
    ProbeTest test;
    CHECK(test.error_of("HTTP/1.1 204 No Content\r\n\r\n") == "");
    CHECK(test.error_of("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 7\r\n\r\nno disk") ==
          "HTTP 503 Service Unavailable: no disk");
    CHECK(test.error_of(
              "HTTP/1.1 301 Moved Permanently\r\nLocation: https://x/\r\nContent-Length: 0\r\n\r\n") ==
          "HTTP 301 Moved Permanently, to 'https://x/'");
    CHECK(test.error_of("hello\r\n") == "not an HTTP answer: 'hello\\x0d\\x0a'");
    CHECK(test.error_of(std::string("\x15\x03\x01\x00\x02\x02\x16", 7)) ==
          "not an HTTP answer: '\\x15\\x03\\x01\\x00\\x02\\x02\\x16'");
    CHECK(test.error_of("HTTP/1.1 200 OK\r\nA: " + std::string(20'000, 'x')) == "answer header over 16 KiB");
    CHECK(test.error_of("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\nx") ==
          "the answer's body is over 1 MiB");
}

TEST_CASE("an answer that ends too early is unhealthy, one that ends with the connection is not") {
    ProbeTest test;
    CHECK(test.error_of("", true) == "connection closed before an answer");
    CHECK(test.error_of("HTTP/1.1 200 OK\r\nCont", true) == "connection closed within the answer's header");
    CHECK(test.error_of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", true) ==
          "connection closed within the answer's body");
    CHECK(test.error_of("HTTP/1.0 200 OK\r\n\r\nall", true) == "");
    CHECK(test.error_of(ok_answer, true) == "");
    ScriptedServer resets(test.loop, [](ScriptedServer::Peer& peer) { peer.reset(); });
    CHECK(test.check(resets.port()).error == "connection reset before an answer");
}

TEST_CASE("the one time limit holds for every part of the answer, and says how far it came") {
    ProbeTest test;
    const auto stage = [](const std::string& error) {
        if (error.ends_with(" (not connected)")) return 0;
        if (error.ends_with(" (connected)")) return 1;
        return error.starts_with("the answer's header had no end") ? 2 : 3;
    };
    // Where the machine stood still for so long that it came less far, it is given twice as long.
    const auto late = [&](const std::string& answer, const std::string& error_at_30ms) {
        for (Duration limit = ProbeTest::brief;; limit *= 2) {
            std::string expected = error_at_30ms;
            if (const auto at = expected.find("30ms"); at != std::string::npos)
                expected.replace(at, 4, format_duration(limit));
            const std::string error = test.error_of(answer, false, limit);
            if (stage(error) < stage(expected) && limit < std::chrono::seconds(5)) continue;
            CHECK(error == expected);
            return;
        }
    };
    const std::string in_body = "the answer's body had no end within 30ms";
    late("", "no answer within 30ms (connected)");
    late("HTTP/1.1 200 OK\r\nA: b\r\n", "the answer's header had no end within 30ms");
    late("HTTP/1.1 200 OK\r\n\r\non and on", in_body);
    late("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", in_body);
    late("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", in_body);
    late("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nwait", "HTTP 503 Busy: wait");
}

TEST_CASE("one that hangs does not hold up the others, and all deadlines are met") {
    ProbeTest test;
    ScriptedServer hangs(test.loop, [](ScriptedServer::Peer&) {});
    ScriptedServer answers(test.loop, [](ScriptedServer::Peer& peer) { peer.send(ok_answer); });
    for (RunNumber run = 1; run <= 100; ++run) {
        const bool is_late = run % 2 == 0;
        const Duration timeout = is_late ? std::chrono::milliseconds(5 + run % 60) : ProbeTest::generous;
        test.probes.check(run, is_late ? hangs.port() : answers.port(), "/", timeout, true);
    }
    test.run_until(100);
    std::vector<RunNumber> runs;
    for (const auto& [run, result] : test.results) {
        CHECK(result.ok == (run % 2 == 1));
        runs.push_back(run);
    }
    std::sort(runs.begin(), runs.end());
    CHECK(std::adjacent_find(runs.begin(), runs.end()) == runs.end());
}

TEST_CASE("a kept connection that the server closed in peace is replaced") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer& peer) { peer.send(ok_answer); });
    CHECK(is_ok(test.check(server.port())));
    server.drop_all();
    test.settle();
    CHECK(is_ok(test.check(server.port())));
    CHECK(server.connections == 2);
    // Closed and checked within one turn: the end of the connection has not been seen yet.
    server.drop_all();
    CHECK(is_ok(test.check(server.port())));
    CHECK(server.connections == 3);
}

TEST_CASE("a kept connection that ends instead of answering is tried once more, and once only") {
    ProbeTest test;
    bool refuses_reuse = true;
    bool resets = false;
    ScriptedServer server(test.loop, [&](ScriptedServer::Peer& peer) {
        if (!refuses_reuse) return peer.close();
        if (peer.requests == 1) return peer.send(ok_answer);
        resets ? peer.reset() : peer.close();
    });
    CHECK(is_ok(test.check(server.port())));
    CHECK(is_ok(test.check(server.port())));
    CHECK(server.connections == 2);
    resets = true;
    CHECK(is_ok(test.check(server.port())));
    CHECK(server.connections == 3);
    refuses_reuse = false;
    CHECK(test.check(server.port()).error == "connection closed before an answer");
    CHECK(server.connections == 4);
}

TEST_CASE("408 on a kept connection is not the answer to this check") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer& peer) {
        peer.send(peer.requests == 1
                      ? ok_answer
                      : "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    CHECK(is_ok(test.check(server.port())));
    CHECK(is_ok(test.check(server.port())));
    CHECK(server.connections == 2);
}

TEST_CASE("a connection is not kept when more came than the answer, or the answer says so") {
    ProbeTest test;
    std::string answer = ok_answer + ok_answer;
    ScriptedServer server(test.loop, [&](ScriptedServer::Peer& peer) { peer.send(answer); });
    CHECK(is_ok(test.check(server.port())));
    CHECK(is_ok(test.check(server.port())));
    CHECK(server.connections == 2);
    answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    CHECK(is_ok(test.check(server.port())));
    CHECK(is_ok(test.check(server.port())));
    CHECK(server.connections == 4);
}

TEST_CASE("bytes that nobody asked for end a kept connection") {
    ProbeTest test;
    ScriptedServer::Peer* kept = nullptr;
    ScriptedServer server(test.loop, [&](ScriptedServer::Peer& peer) {
        kept = &peer;
        peer.send(ok_answer);
    });
    CHECK(is_ok(test.check(server.port())));
    kept->send("HTTP/1.1 500 Oops\r\n\r\n");
    test.settle();
    CHECK(is_ok(test.check(server.port())));
    CHECK(server.connections == 2);
}

TEST_CASE("refused on both addresses, then up on ::1, then on another port") {
    if (!has_ipv6()) return;
    ProbeTest test;
    const BoundPort closed(LoopbackAddress::V4, false);
    CHECK(test.check(closed.port).error == "connection refused");
    const auto answers = [](ScriptedServer::Peer& peer) { peer.send(ok_answer); };
    ScriptedServer v6(test.loop, answers, LoopbackAddress::V6);
    CHECK(is_ok(test.check(v6.port())));
    CHECK(is_ok(test.check(v6.port())));
    CHECK(v6.connections == 1);
    CHECK(v6.last_request.find("\r\nHost: [::1]:" + std::to_string(v6.port()) + "\r\n") != std::string::npos);
    CHECK(std::string(test.probes.address_of(1)) == "::1");
    ScriptedServer v4(test.loop, answers);
    CHECK(is_ok(test.check(v4.port())));
    CHECK(std::string(test.probes.address_of(1)) == "127.0.0.1");
}

TEST_CASE("a check that joins one in flight has its result, and a forgotten one none") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer& peer) { peer.send(ok_answer); });
    for (int i = 0; i < 3; ++i) test.probes.check(1, server.port(), "/", ProbeTest::generous, true);
    test.run_until(3);
    CHECK(server.requests == 1);
    test.probes.check(1, server.port(), "/", ProbeTest::generous, true);
    test.probes.check(2, server.port(), "/", ProbeTest::generous, true);
    test.probes.forget(1);
    test.run_until(4);
    test.settle();
    CHECK(test.results.size() == 4);
    CHECK(test.results.back().first == 2);
}

TEST_CASE("the callback may begin the next check, or forget the run") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer& peer) { peer.send(ok_answer); });
    const BoundPort closed(LoopbackAddress::V4, false);
    test.also = [&](RunNumber run, const CheckResult&) {
        if (test.results.size() >= 10) return;
        test.probes.forget(run);
        const bool next_is_up = test.results.size() % 2 == 0;
        test.probes.check(run, next_is_up ? server.port() : closed.port, "/", ProbeTest::generous, true);
    };
    test.probes.check(1, server.port(), "/", ProbeTest::generous, true);
    test.run_until(10);
    for (std::size_t i = 0; i < 10; ++i) CHECK(test.results[i].second.ok == (i % 2 == 0));
}

TEST_CASE("a path that fills the socket's buffer is sent to its end") {
    ProbeTest test;
    std::size_t received = 0;
    ScriptedServer server(test.loop, [&](ScriptedServer::Peer& peer) {
        received = server.last_request.size();
        peer.send(ok_answer);
    });
    const std::string path = "/" + std::string(std::size_t{8} << 20, 'x');
    test.probes.check(1, server.port(), path, ProbeTest::generous, true);
    test.run_until(1);
    CHECK(is_ok(test.results[0].second));
    CHECK(received > path.size());
}

TEST_CASE("random answers have a result each") {
    ProbeTest test;
    std::mt19937 random(7);
    ScriptedServer server(test.loop, [&](ScriptedServer::Peer& peer) {
        std::string answer =
            random() % 2 == 0 ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" : "";
        for (auto left = random() % 40; left > 0; --left) answer += static_cast<char>(random());
        if (random() % 4 == 0) return peer.send_bytewise(answer + "\r\n\r\n");
        peer.send(answer);
        if (random() % 2 == 0) peer.close();
    });
    for (int round = 1; round <= 10; ++round) {
        for (RunNumber run = 1; run <= 30; ++run)
            test.probes.check(run, server.port(), "/", ProbeTest::brief, run % 2 == 0);
        test.run_until(static_cast<std::size_t>(round) * 30);
    }
    CHECK(test.results.size() == 300);
}

TEST_CASE("many checks in one turn, and probes that go away in the midst of theirs") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer& peer) { peer.send(ok_answer); });
    for (RunNumber run = 1; run <= 100; ++run)
        test.probes.check(run, server.port(), "/", ProbeTest::generous, true);
    test.run_until(100);
    {
        Probes others(test.loop, [](RunNumber, const CheckResult&) { FAIL_CHECK("nobody waits for this"); });
        for (RunNumber run = 1; run <= 50; ++run)
            others.check(run, server.port(), "/", ProbeTest::generous, true);
    }
    for (RunNumber run = 1; run <= 100; ++run)
        test.probes.check(run, server.port(), "/", ProbeTest::generous, true);
    test.run_until(200);
    test.settle();
    CHECK(test.results.size() == 200);
    for (const auto& [run, result] : test.results) CHECK(result.ok);
}
