#include "supervisor/io/control.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "cli/client.hpp"
#include "tests/unit/control_fixture.hpp"
#include "tests/unit/plain_client.hpp"

using namespace pmctl;
using namespace std::chrono_literals;

namespace {

// A text as it is: for what Client would never send.
std::string ask_raw(const std::string& socket, std::string_view text) {
    PlainClient raw(socket);
    raw.greet();
    raw.offer(PlainClient::request(1, text));
    return raw.next_body();
}

}  // namespace

TEST_CASE("a request is answered, and the next one on the same connection too") {
    std::atomic<std::uint64_t> generation = 7;
    const TestDoor door(by_generation(generation));
    Client client = client_of(door);
    for (int i = 0; i < 3; ++i) {
        const auto reply = client.ask(HelloRequest{});
        REQUIRE(reply.has_value());
        CHECK(std::get<HelloReply>(*reply).version == "test");
    }
    const auto status = client.ask_for<StatusReply>(StatusRequest{});
    REQUIRE(status.has_value());
    CHECK(status->generation == 7);
    CHECK_FALSE(client.ask_for<StatusReply>(HelloRequest{}).has_value());
}

TEST_CASE("a path that does not fit into a socket's address is refused with its length") {
    std::atomic<std::uint64_t> generation = 1;
    CHECK_THROWS_WITH(
        TestDoor(by_generation(generation),
                 [](ControlSettings& settings) { settings.socket_path = "/" + std::string(107, 'x'); }),
        doctest::Contains("108 bytes"));
}

TEST_CASE("any number of waiting requests is answered by one wake") {
    std::atomic<std::uint64_t> generation = 1;
    TestDoor door(by_generation(generation));
    std::vector<Client> clients;
    for (int i = 0; i < 200; ++i) {
        clients.push_back(client_of(door));
        REQUIRE(clients.back().send(StatusRequest{{}, 1, 50s}).has_value());
    }
    REQUIRE(door.eventually_parked(200));
    CHECK_FALSE(clients.front().receive().has_value());
    // Others are served meanwhile, and a wake for nothing answers none of them.
    CHECK(answers(door));
    door.wake(Topic::Status);
    door.wake(Topic::Events);
    CHECK(door.parked() == 200);
    generation = 2;
    door.wake(Topic::Status);
    for (Client& client : clients) {
        pollfd ready{client.fd(), POLLIN, 0};
        REQUIRE(::poll(&ready, 1, 60'000) == 1);
        const auto reply = client.receive();
        REQUIRE(reply.has_value());
        REQUIRE(reply->has_value());
        CHECK(std::get<StatusReply>(**reply).generation == 2);
    }
    CHECK(door.parked() == 0);
}

TEST_CASE("a waiting request is answered with what there is when its time is up") {
    std::atomic<std::uint64_t> generation = 1;
    TestDoor door(by_generation(generation));
    Client client = client_of(door);
    const auto reply = client.ask_for<StatusReply>(StatusRequest{{}, 1, 20ms});
    REQUIRE(reply.has_value());
    CHECK(reply->generation == 1);
    CHECK(door.parked() == 0);
}

TEST_CASE("followers of logs are asked again after each wake, however fast they come") {
    std::atomic<int> lines = 0;
    TestDoor door([&](const Request&, bool may_park, const Peer&) -> std::optional<Result<Reply>> {
        if (lines == 0 && may_park) return std::nullopt;
        LogsReply reply;
        reply.lines.resize(static_cast<std::size_t>(lines.load()));
        return Result<Reply>(reply);
    });
    Client client = client_of(door);
    LogsRequest request;
    request.wait = 50s;
    for (int round = 0; round < 20; ++round) {
        lines = 0;
        REQUIRE(client.send(request).has_value());
        REQUIRE(door.eventually_parked(1));
        door.wake(Topic::Logs);  // nothing new: it stays
        lines = 3;
        door.wake(Topic::Logs);
        pollfd ready{client.fd(), POLLIN, 0};
        REQUIRE(::poll(&ready, 1, 60'000) == 1);
        const auto reply = client.receive();
        REQUIRE(reply.has_value());
        CHECK(std::get<LogsReply>(**reply).lines.size() == 3);
    }
}

TEST_CASE("an answer that is held goes when it is released, and others are answered meanwhile") {
    std::atomic<std::uint64_t> last = 0;
    TestDoor door([&](const Request& request, bool, const Peer&) -> Control::Answer {
        if (std::holds_alternative<StopRequest>(request))
            return {Result<Reply>(ActionReply{.generation = ++last, .items = {}}), last.load()};
        return {Result<Reply>(StatusReply{})};
    });
    Client first = client_of(door);
    Client second = client_of(door);
    Client other = client_of(door);
    const auto held = [&] {
        std::size_t count = 0;
        door.run([&](Control& control) { count = control.held(); });
        return count;
    };
    const auto eventually_held = [&](std::size_t count) {
        const auto until = std::chrono::steady_clock::now() + 60s;
        while (held() != count && std::chrono::steady_clock::now() < until) std::this_thread::yield();
        return held() == count;
    };
    REQUIRE(first.send(StopRequest{}));
    REQUIRE(eventually_held(1));
    REQUIRE(second.send(StopRequest{}));
    REQUIRE(eventually_held(2));
    CHECK(other.ask(StatusRequest{}).has_value());
    CHECK_FALSE(first.receive().has_value());

    const auto generation_for = [](Client& client) -> std::uint64_t {
        pollfd ready{client.fd(), POLLIN, 0};
        if (::poll(&ready, 1, 60'000) != 1) return 0;
        const auto reply = client.receive();
        return reply && *reply ? std::get<ActionReply>(**reply).generation : 0;
    };
    door.run([](Control& control) { control.release(1); });
    CHECK(generation_for(first) == 1);
    CHECK(held() == 1);
    CHECK_FALSE(second.receive().has_value());
    door.run([](Control& control) { control.release(2); });
    CHECK(generation_for(second) == 2);
    // What is held for a number that has been said already is not held.
    door.run([](Control& control) { control.release(3); });
    CHECK(first.ask(StopRequest{}).has_value());
    CHECK(held() == 0);
}

TEST_CASE("a client that goes away while it waits is forgotten at once") {
    std::atomic<std::uint64_t> generation = 1;
    std::atomic<int> asked = 0;
    const auto handler = by_generation(generation);
    TestDoor door([&](const Request& request, bool may_park, const Peer& peer) {
        ++asked;
        return handler(request, may_park, peer);
    });
    Client stays = client_of(door);
    REQUIRE(stays.send(StatusRequest{{}, 1, 50s}).has_value());
    {
        Client goes = client_of(door);
        REQUIRE(goes.send(StatusRequest{{}, 1, 50s}).has_value());
        REQUIRE(door.eventually_parked(2));
    }
    CHECK(door.eventually_parked(1));
    const int before = asked;
    door.wake(Topic::Status);
    CHECK(door.parked() == 1);
    CHECK(asked == before + 1);
    generation = 2;
    door.wake(Topic::Status);
    pollfd ready{stays.fd(), POLLIN, 0};
    CHECK(::poll(&ready, 1, 60'000) == 1);
}

TEST_CASE("malformed, unknown and oversized requests are answered or dropped with no effect on others") {
    std::atomic<std::uint64_t> generation = 1;
    TestDoor door(by_generation(generation));
    Client other = client_of(door);
    CHECK(ask_raw(door.socket(), "{").find("-32700") != std::string::npos);
    CHECK(ask_raw(door.socket(), std::string("\xff\x00{}", 4)).find("-32700") != std::string::npos);
    CHECK(ask_raw(door.socket(), R"({"jsonrpc":"2.0","id":1,"method":"explode"})").find("-32601") !=
          std::string::npos);
    CHECK(ask_raw(door.socket(), R"({"jsonrpc":"2.0","id":1,"method":"why"})").find("-32602") !=
          std::string::npos);
    CHECK(ask_raw(door.socket(), std::string(max_message_bytes + 1, ' ')).empty());
    {
        const PlainClient garbage(door.socket());
        garbage.send("GET / HTTP/1.0\r\n\r\n");
        const PlainClient silent(door.socket());
        CHECK(other.ask(HelloRequest{}).has_value());
    }
    CHECK(other.ask(HelloRequest{}).has_value());
}

TEST_CASE("a request that waits is told at once when the supervisor goes away") {
    std::atomic<std::uint64_t> generation = 1;
    TestDoor door(by_generation(generation));
    Client client = client_of(door);
    REQUIRE(client.send(StatusRequest{{}, 1, 50s}).has_value());
    REQUIRE(door.eventually_parked(1));
    door.close();
    pollfd ready{client.fd(), POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 60'000) == 1);
    const auto reply = client.receive();
    REQUIRE(reply.has_value());
    REQUIRE_FALSE(reply->has_value());
    CHECK(reply->error().kind == ErrorKind::Unavailable);
}

TEST_CASE("more than the most waiting requests are refused in words, and the gone ones count no longer") {
    std::atomic<std::uint64_t> generation = 1;
    TestDoor door(by_generation(generation));
    // Many requests over one connection, as no client of ours does it.
    PlainClient flood(door.socket());
    flood.greet();
    const std::string body = to_text(1, Request(StatusRequest{{}, 1, 50s}));
    for (std::uint32_t i = 0; i < Control::max_parked; ++i) flood.send(PlainClient::request(i, body));
    REQUIRE(door.eventually_parked(Control::max_parked));
    Client client = client_of(door);
    const auto refused = client.ask(StatusRequest{{}, 1, 50s});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find("too many") != std::string::npos);
    CHECK(client.ask(HelloRequest{}).has_value());
    flood.close();
    CHECK(door.eventually_parked(0));
}

TEST_CASE("a bug in the handler answers the client, and the door stays open") {
    std::atomic<bool> broken = true;
    TestDoor door([&](const Request&, bool, const Peer&) -> std::optional<Result<Reply>> {
        if (broken) throw std::runtime_error("oh");
        return Result<Reply>(HelloReply{});
    });
    Client client = client_of(door);
    const auto reply = client.ask(PortsRequest{});
    REQUIRE_FALSE(reply.has_value());
    CHECK(reply.error().message.find("oh") != std::string::npos);
    CHECK(door.parked() == 0);  // its turn is over
    CHECK(door.bugs() == 1);

    // Asked together, each by itself.
    PlainClient both(door.socket());
    both.greet();
    const std::string body = to_text(1, Request(PortsRequest{}));
    both.send(PlainClient::request(1, body) + PlainClient::request(2, body));
    CHECK(both.next_body().find("oh") != std::string::npos);
    CHECK(both.next_body().find("oh") != std::string::npos);
    CHECK(door.parked() == 0);
    CHECK(door.bugs() == 3);
    broken = false;
    CHECK(client.ask(PortsRequest{}).has_value());
}

TEST_CASE("a client that never reads holds nobody up") {
    TestDoor door([](const Request& request, bool, const Peer&) -> std::optional<Result<Reply>> {
        LogsReply reply;
        const auto* asked = std::get_if<LogsRequest>(&request);
        reply.lines.resize(asked != nullptr && asked->lines ? *asked->lines : 200);
        for (LogLine& line : reply.lines) line.text.assign(1000, 'x');
        return Result<Reply>(reply);
    });
    const PlainClient deaf(door.socket());
    deaf.greet();
    const std::string asks = PlainClient::request(1, to_text(1, Request(LogsRequest{})));
    for (int i = 0; i < 200; ++i) deaf.offer(asks);
    Client other = client_of(door);
    LogsRequest all;
    all.lines = 2000;
    for (int i = 0; i < 5; ++i) {
        const auto reply = other.ask_for<LogsReply>(all);
        REQUIRE(reply.has_value());
        CHECK(reply->lines.size() == 2000);
    }
}
