#include <poll.h>
#include <sys/resource.h>

#include <cerrno>

#include "tests/unit/probe_fixture.hpp"

using namespace pmctl;

TEST_CASE("a port that accepts is healthy, and the connection is closed at once") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer&) {});
    test.probes.check_tcp(1, server.port(), ProbeTest::generous);
    CHECK(test.results.empty());
    test.run_until(1);
    CHECK(test.results[0].first == 1);
    CHECK(test.results[0].second.ok);
    CHECK(test.results[0].second.error.empty());
    CHECK(std::string(test.probes.address_of(1)) == "127.0.0.1");
    test.settle();
    CHECK(server.connections == 1);
    CHECK(server.requests == 0);
}

TEST_CASE("a port where nobody listens is refused, time after time") {
    ProbeTest test;
    const BoundPort closed(LoopbackAddress::V4, false);
    for (std::size_t i = 1; i <= 3; ++i) {
        test.probes.check_tcp(1, closed.port, ProbeTest::generous);
        test.run_until(i);
        CHECK(test.results.back().second.error == "connection refused");
        CHECK_FALSE(test.results.back().second.inconclusive);
    }
}

TEST_CASE("a server on ::1 alone is found, and its address remembered until the run is forgotten") {
    if (!has_ipv6()) return;
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer&) {}, LoopbackAddress::V6);
    for (std::size_t i = 1; i <= 2; ++i) {
        test.probes.check_tcp(7, server.port(), ProbeTest::generous);
        test.run_until(i);
        CHECK(test.results.back().second.ok);
        CHECK(std::string(test.probes.address_of(7)) == "::1");
    }
    test.probes.forget(7);
    CHECK(std::string(test.probes.address_of(7)) == "127.0.0.1");
}

TEST_CASE("a full backlog is no answer in time") {
    ProbeTest test;
    const BoundPort busy(LoopbackAddress::V4, false);
    REQUIRE(::listen(busy.fd, 0) == 0);
    // One waits to be accepted; later ones are not answered: listen(2), tcp_abort_on_overflow off.
    std::vector<int> waiting;
    for (int i = 0; i < 4; ++i) {
        waiting.push_back(open_loopback_socket(LoopbackAddress::V4));
        connect_loopback(waiting.back(), LoopbackAddress::V4, busy.port);
    }
    pollfd full{busy.fd, POLLIN, 0};  // as soon as the one waits
    REQUIRE(::poll(&full, 1, 20'000) == 1);
    test.probes.check_tcp(1, busy.port, ProbeTest::brief);
    test.probes.check(2, busy.port, "/", ProbeTest::brief, true);
    test.run_until(2);
    for (const auto& [run, result] : test.results) {
        CHECK_FALSE(result.ok);
        CHECK(result.error ==
              (run == 1 ? "no connection within 30ms" : "no answer within 30ms (not connected)"));
    }
    for (const int fd : waiting) ::close(fd);
}

TEST_CASE("many checks at once have a result each") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer&) {});
    const BoundPort closed(LoopbackAddress::V4, false);
    for (RunNumber run = 1; run <= 200; ++run)
        test.probes.check_tcp(run, run % 2 == 0 ? server.port() : closed.port, ProbeTest::generous);
    test.run_until(200);
    test.settle();
    CHECK(test.results.size() == 200);
    for (const auto& [run, result] : test.results) CHECK(result.ok == (run % 2 == 0));
}

TEST_CASE("no descriptors left says nothing about the instance") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer&) {});
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int next = ::dup(0);  // the lowest free number
    REQUIRE(next >= 0);
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    test.probes.check_tcp(1, server.port(), ProbeTest::generous);
    test.probes.check(2, server.port(), "/", ProbeTest::generous, true);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    test.run_until(2);
    for (const auto& [run, result] : test.results) {
        CHECK_FALSE(result.ok);
        CHECK(result.inconclusive);
        CHECK(result.error == "cannot check: Too many open files");
    }
}

TEST_CASE("a forgotten check has no result") {
    ProbeTest test;
    ScriptedServer server(test.loop, [](ScriptedServer::Peer&) {});
    test.probes.check_tcp(1, server.port(), ProbeTest::generous);
    test.probes.forget(1);
    test.probes.forget(99);
    test.probes.check_tcp(2, server.port(), ProbeTest::generous);
    test.run_until(1);
    test.settle();
    REQUIRE(test.results.size() == 1);
    CHECK(test.results[0].first == 2);
}

TEST_CASE("a socket that would reach itself is refused") {
    const BoundPort own(LoopbackAddress::V4, false);
    const ConnectStep step = connect_loopback(own.fd, LoopbackAddress::V4, own.port);
    CHECK(step.state == ConnectStep::State::Failed);
    CHECK(step.error == ECONNREFUSED);
}
