#include "supervisor/io/control_server.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "supervisor/io/descriptor.hpp"
#include "tests/unit/control_fixture.hpp"
#include "tests/unit/event_wait.hpp"
#include "tests/unit/plain_client.hpp"

using namespace pmctl;
using namespace std::chrono_literals;
using Connection = ControlServer::Connection;

namespace {

// Says back what it was asked, or its first letter so many times; "later" is kept.
struct Echo {
    explicit Echo(Duration greeting_time = ControlServer::greeting_time) { listen(greeting_time, {}); }
    Echo(std::string at, ControlServer::Left left) : path(std::move(at)) {
        listen(ControlServer::greeting_time, std::move(left));
    }

    ControlServer::Left leave() const {
        return server->leave([this](Connection connection) { return !kept.contains(connection); });
    }
    void listen(Duration greeting_time, ControlServer::Left left) {
        auto listening = ControlServer::listen(
            test.loop, {path, 0600, std::nullopt, greeting_time},
            {.asked = [this](const ControlServer::Request& request) { answer(request); },
             .gone = [this](Connection connection) { gone.push_back(connection); }},
            std::move(left));
        REQUIRE_MESSAGE(listening.has_value(), listening.error().message);
        server = std::move(*listening);
    }

    void answer(const ControlServer::Request& request) {
        asked.emplace_back(request.body);
        from = request.from;
        peer = request.peer;
        if (request.body == "later") kept.insert(from);
        if (request.body == "later") return;
        const std::string text =
            times == 1 ? std::string(request.body) : std::string(times, request.body.front());
        server->reply(request.from, request.route, text);
    }
    PlainClient client() const {
        PlainClient made(path);
        made.greet();
        return made;
    }
    // What comes to a client, from here on, until so many bytes have come or it is hung up on.
    std::string hear(const PlainClient& client, std::size_t bytes) {
        std::string heard;
        REQUIRE(test.until([&] {
            heard += client.received();
            return heard.size() >= bytes || client.is_over();
        }));
        return heard;
    }
    bool serves() {
        const PlainClient other = client();
        other.send(PlainClient::request(1, "x"));
        const std::string expected =
            std::string(replier_greeting) + PlainClient::request(1, std::string(times, 'x'));
        return hear(other, expected.size()) == expected;
    }

    test::TestLoop test;
    TestFolder folder;
    std::string path = folder.path() + "/pmctld.sock";
    std::size_t times = 1;
    std::vector<std::string> asked;
    Connection from = 0;
    std::set<Connection> kept;
    Peer peer;
    std::vector<Connection> gone;
    std::unique_ptr<ControlServer> server;
};

std::size_t descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// As long as it is there, this process has as many descriptors as it may have.
class NoDescriptors {
  public:
    NoDescriptors() {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        int highest = ::dup(0);
        while (highest < 100) {
            held_.emplace_back(highest);
            highest = ::dup(0);
        }
        held_.emplace_back(highest);
        rlimit none = before_;
        none.rlim_cur = static_cast<rlim_t>(highest) + 1;
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        REQUIRE(::dup(0) == -1);
    }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    void free_one() { held_.pop_back(); }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
    std::vector<Descriptor> held_;
};

}  // namespace

TEST_CASE("a request is answered along its route, and who asked is known") {
    Echo echo;
    const PlainClient client = echo.client();
    const std::string route("\0\0\0\x05\x80\0\0\x09", 8);
    client.send(PlainClient::message(route, "hello"));
    const std::string expected = std::string(replier_greeting) + PlainClient::message(route, "hello");
    CHECK(echo.hear(client, expected.size()) == expected);
    CHECK(echo.peer.uid == ::geteuid());
    CHECK(echo.peer.gid == ::getegid());
    CHECK(echo.peer.pid == ::getpid());
}

TEST_CASE("a request may come byte by byte, and many at once are answered in order") {
    Echo echo;
    const PlainClient client(echo.path);
    const std::string slow = std::string(requester_greeting) + PlainClient::request(1, "slow");
    for (const char byte : slow) {
        client.send({&byte, 1});
        echo.test.loop.later([&] { echo.test.loop.stop(); });
        echo.test.loop.run();
        echo.test.loop.context().restart();
    }
    std::string expected = std::string(replier_greeting) + PlainClient::request(1, "slow");
    CHECK(echo.hear(client, expected.size()) == expected);

    std::string burst;
    for (std::uint32_t i = 0; i < 500; ++i) burst += PlainClient::request(i, "n" + std::to_string(i));
    client.send(burst);
    CHECK(echo.hear(client, burst.size()) == burst);
}

TEST_CASE("a long reply comes whole, and the next request after it") {
    Echo echo;
    echo.times = std::size_t{4} << 20;
    const PlainClient client = echo.client();
    client.send(PlainClient::request(1, "x") + PlainClient::request(2, "y"));
    const std::string expected = std::string(replier_greeting) +
                                 PlainClient::request(1, std::string(echo.times, 'x')) +
                                 PlainClient::request(2, std::string(echo.times, 'y'));
    CHECK(echo.hear(client, expected.size()) == expected);
}

TEST_CASE("those that leave in the middle of a long reply leave nothing behind") {
    Echo echo;
    echo.times = std::size_t{1} << 20;
    REQUIRE(echo.serves());
    const std::size_t before = descriptors();
    for (std::size_t i = 0; i < 300; ++i) {
        PlainClient client = echo.client();
        client.send(PlainClient::request(1, "x"));
        echo.hear(client, i * 1000 + 1);
        client.close();
    }
    CHECK(echo.serves());
    CHECK(echo.test.until([&] { return descriptors() <= before; }));
    CHECK(echo.test.until([&] { return echo.gone.size() == 302; }));
}

TEST_CASE("those that leave before, during and after their greeting leave nothing behind") {
    Echo echo;
    REQUIRE(echo.serves());
    const std::size_t before = descriptors();
    for (std::size_t i = 0; i < 300; ++i) {
        PlainClient client(echo.path);
        client.send(requester_greeting.substr(0, i % 9));
        if (i % 2 == 0) echo.serves();
    }
    CHECK(echo.serves());
    CHECK(echo.test.until([&] { return descriptors() <= before; }));
    const std::filesystem::directory_iterator files(echo.folder.path());
    CHECK(std::distance(begin(files), end(files)) == 1);
}

TEST_CASE("what is no greeting, or no message, is hung up on") {
    Echo echo;
    using namespace std::string_literals;
    const std::string greeting(requester_greeting);
    for (const std::string& said :
         {"GET / HTTP/1.1\r\n\r\n"s, "\0SP\0\0\x31\0\0"s, "\0SP\1\0\x30\0\0"s, greeting + "G",
          greeting + "\x01\xff\0\0\0\0\0\0\0"s, greeting + PlainClient::message("", "abc"),
          greeting + PlainClient::message("\0\0\0\1"s, "")}) {
        const PlainClient client(echo.path);
        client.send(said);
        echo.hear(client, 1000);
        CHECK(client.is_over());
    }
    CHECK(echo.asked.empty());
    CHECK(echo.serves());
}

TEST_CASE("who says nothing is hung up on in time, who has greeted is not") {
    Echo echo(200ms);
    const PlainClient greeted = echo.client();
    const std::string request = PlainClient::request(1, "x");
    greeted.send(request);
    REQUIRE(echo.hear(greeted, replier_greeting.size() + request.size()).ends_with(request));
    const PlainClient silent(echo.path);
    CHECK(echo.hear(silent, 1000) == replier_greeting);
    CHECK(silent.is_over());
    greeted.send(request);
    CHECK(echo.hear(greeted, request.size()) == request);
}

TEST_CASE("who waits and leaves is told of, once, and a reply to it goes to nobody") {
    Echo echo;
    PlainClient client = echo.client();
    client.send(PlainClient::request(1, "later") + PlainClient::request(2, "later"));
    REQUIRE(echo.test.until([&] { return echo.asked.size() == 2; }));
    const Connection left = echo.from;
    CHECK(echo.gone.empty());
    client.close();
    REQUIRE(echo.test.until([&] { return !echo.gone.empty(); }));
    CHECK(echo.serves());
    CHECK(std::count(echo.gone.begin(), echo.gone.end(), left) == 1);
    echo.server->reply(left, std::string("\x80\0\0\1", 4), "too late");
    CHECK(echo.serves());
}

TEST_CASE("who never reads is not read from, and hung up on when too much is to be kept for it") {
    Echo echo;
    echo.times = std::size_t{1} << 20;
    const PlainClient deaf = echo.client();
    deaf.send(PlainClient::request(1, "x") + PlainClient::request(2, "y"));
    REQUIRE(echo.test.until([&] { return !echo.asked.empty(); }));
    const Connection number = echo.from;
    echo.times = 1;
    CHECK(echo.serves());
    CHECK(echo.asked == std::vector<std::string>{"x", "x"});  // and not "y"
    const std::string megabyte(std::size_t{1} << 20, 'z');
    for (std::size_t i = 0; i < 20; ++i) echo.server->reply(number, std::string("\x80\0\0\1", 4), megabyte);
    CHECK(echo.test.until([&] { return std::count(echo.gone.begin(), echo.gone.end(), number) == 1; }));
    CHECK(echo.serves());
}

TEST_CASE("what has been said leaves the process before its end, as far as it is read") {
    Echo echo;
    echo.times = std::size_t{4} << 20;
    const PlainClient client = echo.client();
    client.send(PlainClient::request(1, "x"));
    REQUIRE(echo.test.until([&] { return !echo.asked.empty(); }));
    const std::string expected =
        std::string(replier_greeting) + PlainClient::request(1, std::string(echo.times, 'x'));
    std::string heard;
    std::thread reader([&] {
        while (heard.size() < expected.size() && !client.is_over()) {
            pollfd ready{client.fd(), POLLIN, 0};
            ::poll(&ready, 1, 20'000);
            heard += client.received();
        }
    });
    echo.server->flush(20s);
    echo.server.reset();
    reader.join();
    CHECK(heard == expected);

    Echo other;
    other.times = echo.times;
    const PlainClient deaf = other.client();
    deaf.send(PlainClient::request(1, "x"));
    REQUIRE(other.test.until([&] { return !other.asked.empty(); }));
    other.server->flush(1ms);  // and no longer
}

TEST_CASE("another program goes on with those that wait for nothing, whatever they have sent meanwhile") {
    Echo before;
    const std::string hello = PlainClient::request(1, "hello");
    const PlainClient rests = before.client();
    const PlainClient waits = before.client();
    rests.send(hello);
    waits.send(PlainClient::request(1, "later"));
    before.hear(rests, requester_greeting.size() + hello.size());
    REQUIRE(before.test.until([&] { return !before.kept.empty(); }));
    const PlainClient says_half = before.client();
    says_half.send(hello + hello.substr(0, 10));
    before.hear(says_half, requester_greeting.size() + hello.size());
    const PlainClient says_nothing(before.path);
    before.hear(says_nothing, replier_greeting.size());
    // Not looked at any more: on their way.
    const PlainClient connects = before.client();
    rests.send(PlainClient::request(2, "stop"));
    connects.send(hello);

    Echo after(before.path, before.leave());
    const std::string stopped = PlainClient::request(2, "stop");
    CHECK(after.hear(rests, stopped.size()) == stopped);
    const std::string greeted = std::string(replier_greeting) + hello;
    CHECK(after.hear(connects, greeted.size()) == greeted);
    CHECK(after.peer.pid == ::getpid());
    CHECK(after.serves());
    CHECK(after.asked == std::vector<std::string>{"stop", "hello", "x"});
    before.server.reset();  // as the exec closes what is not left
    for (const PlainClient* each : {&waits, &says_half, &says_nothing}) {
        after.hear(*each, 1000);
        CHECK(each->is_over());
    }
}

TEST_CASE("where the path has gone meanwhile, another program listens there anew") {
    const Echo before;
    REQUIRE(std::filesystem::remove(before.path));
    Echo after(before.path, before.leave());
    CHECK(after.serves());
}

TEST_CASE("where no descriptor is left, one client at a time is let in") {
    Echo echo;
    const std::string reply = PlainClient::request(1, "x");
    const std::string expected = std::string(replier_greeting) + reply;
    std::vector<PlainClient> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(echo.client());
        clients.back().send(reply);
    }
    {
        const NoDescriptors left;
        CHECK(echo.hear(clients[0], expected.size()) == expected);
        CHECK(echo.asked.size() == 1);
        clients[0].send(reply);
        CHECK(echo.hear(clients[0], reply.size()) == reply);
        clients[0].close();
        // Its own end here is one more descriptor: the second one's, and the spare one is for the third.
        CHECK(echo.hear(clients[1], expected.size()) == expected);
        CHECK(echo.hear(clients[2], expected.size()) == expected);
    }
    CHECK(echo.serves());
}

TEST_CASE("the last descriptor is taken by a client, and the next one is let in all the same") {
    Echo echo;
    const std::string request = PlainClient::request(1, "x");
    const PlainClient first = echo.client();
    first.send(request);
    NoDescriptors left;
    left.free_one();
    REQUIRE(echo.hear(first, replier_greeting.size() + request.size()).ends_with(request));
    left.free_one();
    const PlainClient second = echo.client();
    second.send(request);
    CHECK(echo.hear(second, replier_greeting.size() + request.size()).ends_with(request));
}

TEST_CASE("another kind of file at the path is left alone") {
    const TestFolder folder;
    const std::string path = folder.path() + "/pmctld.sock";
    std::filesystem::create_directory(path);
    test::TestLoop test;
    const auto refused = ControlServer::listen(test.loop, {path, 0600, std::nullopt}, {});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message == "cannot listen on '" + path + "': Address already in use");
    CHECK(std::filesystem::is_directory(path));
}
