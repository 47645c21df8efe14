#include "cli/client.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cli/follow.hpp"
#include "tests/unit/control_fixture.hpp"
#include "tests/unit/plain_door.hpp"

using namespace pmctl;
using namespace std::chrono_literals;

namespace {

StatusRow row(const std::string& state, Outlook outlook, std::uint64_t run) {
    StatusRow found;
    found.name = "web";
    found.wanted = "running";
    found.state = state;
    found.outlook = outlook;
    found.run = run;
    if (state != "Failed") found.pid = 42;
    return found;
}

// Answers each status request with the next of these; the last one's followers wait.
Control::Handler in_turn(std::vector<StatusReply> replies, std::atomic<std::size_t>& asked) {
    return [replies = std::move(replies), &asked](const Request& request, bool may_park,
                                                  const Peer&) -> std::optional<Result<Reply>> {
        if (asked < replies.size()) return Result<Reply>(replies[asked++]);
        if (may_park) return std::nullopt;
        const auto* status = std::get_if<StatusRequest>(&request);
        if (status != nullptr && status->since == 0)
            return Result<Reply>(replies.back());  // all that there is
        return Result<Reply>(StatusReply{99, {}, {}, ""});
    };
}

// A supervisor that replaces its program: the lock on its pid file is held all the time.
class Upgrading {
  public:
    Upgrading(PlainDoor::Handler before, PlainDoor::Handler after)
        : after_(std::move(after)),
          lock_(::open((folder_.path() + "/pmctld.pid").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
        REQUIRE(lock_ >= 0);
        REQUIRE(::flock(lock_, LOCK_EX | LOCK_NB) == 0);
        door_.emplace(socket(), std::move(before));
    }
    Upgrading(const Upgrading&) = delete;
    Upgrading& operator=(const Upgrading&) = delete;
    ~Upgrading() { ::close(lock_); }

    std::string socket() const { return folder_.path() + "/pmctld.sock"; }
    void upgrade() {
        door_.reset();
        door_.emplace(socket(), after_);
    }
    // Returns when the client has noticed: what is under way when a connection goes is nng's to lose.
    void upgrade(const Client& client) {
        upgrade();
        pollfd gone{client.fd(), POLLIN, 0};
        REQUIRE(::poll(&gone, 1, 60'000) == 1);
    }

  private:
    TestFolder folder_;
    PlainDoor::Handler after_;
    int lock_;
    std::optional<PlainDoor> door_;
};

// At its generation 7; who waits does until it is replaced. `waits`, where it is given, is told of it.
PlainDoor::Handler earlier_program(std::promise<void>* waits = nullptr) {
    return [waits](const Request& request) -> std::optional<Result<Reply>> {
        const auto* status = std::get_if<StatusRequest>(&request);
        if (status == nullptr) return Result<Reply>(HelloReply{});
        if (status->since == 0) return Result<Reply>(StatusReply{7, {}, {}, ""});
        if (waits != nullptr) waits->set_value();
        return std::nullopt;
    };
}

// At its generation 9, all of these being so since its third. Who asks for what came later waits for ever.
PlainDoor::Handler later_program(std::vector<StatusRow> rows) {
    return [rows = std::move(rows)](const Request& request) -> std::optional<Result<Reply>> {
        const auto* status = std::get_if<StatusRequest>(&request);
        if (status == nullptr) return Result<Reply>(HelloReply{});
        if (status->since >= 3 && status->since <= 9) return std::nullopt;
        StatusReply reply{9, {}, {}, ""};
        for (const std::string& name : status->targets.names) {
            const auto found = std::find_if(rows.begin(), rows.end(),
                                            [&](const StatusRow& each) { return each.name == name; });
            if (found != rows.end()) {
                reply.rows.push_back(*found);
            } else if (status->since == 0) {
                return Result<Reply>(fail(ErrorKind::NotFound, "no instance '" + name + "'"));
            }
        }
        if (status->targets.names.empty()) reply.rows = rows;
        return Result<Reply>(reply);
    };
}

StatusRow stopped(const std::string& name) {
    StatusRow found = row("Stopped", Outlook::Settled, 3);
    found.name = name;
    found.wanted = "stopped";
    found.pid.reset();
    return found;
}

}  // namespace

TEST_CASE("nobody listening is an error that says what to do, a folder that may not be entered another") {
    const TestFolder folder;
    const auto nobody = Client::connect(folder.path() + "/pmctld.sock");
    REQUIRE_FALSE(nobody.has_value());
    CHECK(nobody.error().kind == ErrorKind::Unavailable);
    CHECK(nobody.error().message == "no supervisor answers at '" + folder.path() +
                                        "/pmctld.sock' (is it running? start it with: pmctl up)");
}

TEST_CASE("an answer that does not come in time is a timeout") {
    TestDoor door([](const Request&, bool may_park, const Peer&) -> std::optional<Result<Reply>> {
        return may_park ? std::nullopt : std::optional<Result<Reply>>(HelloReply{});
    });
    auto client = Client::connect(door.socket());
    REQUIRE(client.has_value());
    REQUIRE(client->send(StatusRequest{{}, 1, 50s}).has_value());
    REQUIRE(door.eventually_parked(1));
    const auto late = client->ask(StatusRequest{{}, 1, 50s}, -50s + 1ms);
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().kind == ErrorKind::Timeout);
}

TEST_CASE("a reply that comes together with the end of its connection is not lost") {
    const TestFolder folder;
    const std::string path = folder.path() + "/pmctld.sock";
    const PlainDoor door(path, [](const Request&) { return Result<Reply>(HelloReply{}); }, true);
    for (int i = 0; i < 200; ++i) {
        auto client = Client::connect(path);
        REQUIRE_MESSAGE(client.has_value(), client.error().message);
    }
}

TEST_CASE("what the supervisor refuses comes back as it said it") {
    TestDoor door([](const Request&, bool, const Peer&) -> std::optional<Result<Reply>> {
        return Result<Reply>(fail(ErrorKind::NotFound, "no instance 'wbe', did you mean 'web'?"));
    });
    auto client = Client::connect(door.socket());
    REQUIRE(client.has_value());
    const auto refused = client->ask(StopRequest{{{"wbe"}, false}});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == Error{ErrorKind::NotFound, "no instance 'wbe', did you mean 'web'?"});
}

TEST_CASE("a request is never sent twice, though its answer takes long") {
    std::atomic<int> restarts = 0;
    TestDoor door([&](const Request& request, bool may_park, const Peer&) -> std::optional<Result<Reply>> {
        if (std::holds_alternative<RestartRequest>(request)) {
            ++restarts;
            return Result<Reply>(ActionReply{});
        }
        if (may_park) return std::nullopt;
        return Result<Reply>(StatusReply{});
    });
    auto client = Client::connect(door.socket());
    REQUIRE(client.has_value());
    CHECK(client->ask(RestartRequest{}).has_value());
    CHECK(client->ask(StatusRequest{{}, 1, 30ms}).has_value());
    door.close();
    CHECK_FALSE(client->ask(RestartRequest{}).has_value());
    CHECK(restarts == 1);
}

TEST_CASE("following ends as soon as all is decided") {
    std::atomic<std::size_t> asked = 0;
    TestDoor door(in_turn({{1, {row("Stopping", Outlook::Pending, 1)}, {}, ""},
                           {2, {row("Starting", Outlook::Pending, 2)}, {}, ""},
                           {3, {row("Running", Outlook::Settled, 2)}, {}, ""}},
                          asked));
    auto client = Client::connect(door.socket());
    REQUIRE(client.has_value());
    Waiting waiting(Goal::Restarted);
    waiting.add("web", 1);
    std::size_t told = 0;
    const auto over = follow(*client, waiting, 30s, [&](const auto& decided) { told += decided.size(); });
    CHECK(over.has_value());
    CHECK(told == 1);
    CHECK(asked == 3);
    CHECK_FALSE(waiting.has_failed());
}

TEST_CASE("following names what is open when the time is up, and what failed when it has") {
    std::atomic<std::size_t> asked = 0;
    TestDoor door(in_turn({{1, {row("Starting", Outlook::Pending, 2)}, {}, ""}}, asked));
    auto client = Client::connect(door.socket());
    REQUIRE(client.has_value());
    Waiting waiting(Goal::Started);
    waiting.add("web", 1);
    const auto late = follow(*client, waiting, 20ms, [](const auto&) {});
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().kind == ErrorKind::Timeout);
    CHECK(late.error().message == "timed out after 20ms: 'web': Starting");

    StatusRow failed = row("Failed", Outlook::Stuck, 2);
    failed.reason = "exited with 1; next start in 2s";
    waiting.update({2, {failed}, {}, ""});
    CHECK(failure_of(waiting).message == "'web': Failed: exited with 1; next start in 2s");
}

TEST_CASE("what was gone before it could be asked about is no error of who follows it") {
    std::atomic<std::size_t> asked = 0;
    TestDoor door([&](const Request& request, bool may_park, const Peer&) -> std::optional<Result<Reply>> {
        const auto* status = std::get_if<StatusRequest>(&request);
        if (status == nullptr) return Result<Reply>(HelloReply{});
        ++asked;
        if (!status->targets.names.empty())
            return Result<Reply>(fail(ErrorKind::NotFound, "no instance 'old'"));
        if (may_park && status->since > 0) return std::nullopt;
        return Result<Reply>(StatusReply{1, {row("Running", Outlook::Settled, 2)}, {}, ""});
    });
    auto client = Client::connect(door.socket());
    REQUIRE(client.has_value());
    Waiting waiting(Goal::Converged);
    waiting.add("web", 1);
    waiting.add("old", 1);
    CHECK(follow(*client, waiting, 30s, [](const auto&) {}));
    CHECK_FALSE(waiting.has_failed());
    CHECK(asked == 2);
}

TEST_CASE("of what is under way only changes are asked for, and what is at rest is looked at first") {
    std::mutex mutex;
    std::vector<StatusRequest> requests;
    TestDoor door([&](const Request& request, bool, const Peer&) -> std::optional<Result<Reply>> {
        const auto* status = std::get_if<StatusRequest>(&request);
        if (status == nullptr) return Result<Reply>(HelloReply{});
        const std::lock_guard lock(mutex);
        requests.push_back(*status);
        StatusRow web = row("Stopped", Outlook::Settled, 3);
        web.wanted = "stopped";
        web.pid.reset();
        StatusRow db = web;
        db.name = "db";
        return Result<Reply>(StatusReply{9, {status->since == 0 ? db : web}, {}, ""});
    });
    auto client = Client::connect(door.socket());
    REQUIRE(client.has_value());
    Waiting waiting(Goal::Stopped);
    waiting.add(ActionReply{7, {{"web", 3, "", "Stopping"}, {"db", 0, "was not running", "Stopped"}}});
    CHECK(follow(*client, waiting, 30s, [](const auto&) {}));
    REQUIRE(requests.size() == 2);
    CHECK(requests[0].targets.names == std::vector<std::string>{"db"});
    CHECK(requests[0].since == 0);
    CHECK(requests[1].targets.names == std::vector<std::string>{"db", "web"});
    CHECK(requests[1].since == 7);
    CHECK(requests[1].wait > Duration::zero());

    Waiting all_under_way(Goal::Stopped);
    all_under_way.add(ActionReply{8, {{"web", 3, "", "Stopping"}}});
    CHECK(follow(*client, all_under_way, 30s, [](const auto&) {}));
    REQUIRE(requests.size() == 3);
    CHECK(requests[2].since == 8);
}

TEST_CASE("what was under way, and still is when the time is up, is looked at to be named") {
    TestDoor door([&](const Request& request, bool may_park, const Peer&) -> std::optional<Result<Reply>> {
        const auto* status = std::get_if<StatusRequest>(&request);
        if (status == nullptr) return Result<Reply>(HelloReply{});
        if (status->since == 0)
            return Result<Reply>(StatusReply{7, {row("Stopping", Outlook::Pending, 3)}, {}, ""});
        if (may_park) return std::nullopt;
        return Result<Reply>(StatusReply{7, {}, {}, ""});
    });
    auto client = Client::connect(door.socket());
    REQUIRE(client.has_value());
    Waiting waiting(Goal::Restarted);
    waiting.add(ActionReply{7, {{"web", 3, "", "Stopping"}}});
    const auto late = follow(*client, waiting, 20ms, [](const auto&) {});
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().message == "timed out after 20ms: 'web': Stopping");
}

TEST_CASE("what changes something is not sent again to the program that comes after an upgrade") {
    std::promise<void> came;
    std::atomic<int> restarts = 0;
    const auto count = [&](const Request& request, bool answers) -> std::optional<Result<Reply>> {
        if (!std::holds_alternative<RestartRequest>(request)) return Result<Reply>(HelloReply{});
        if (++restarts == 1) came.set_value();
        if (answers) return Result<Reply>(ActionReply{});
        return std::nullopt;
    };
    Upgrading supervisor([&](const Request& request) { return count(request, false); },
                         [&](const Request& request) { return count(request, true); });
    auto client = Client::connect(supervisor.socket());
    REQUIRE(client.has_value());
    client->leave_to_process_end();
    REQUIRE(client->send(RestartRequest{}).has_value());
    came.get_future().get();
    supervisor.upgrade(*client);
    const auto lost = client->receive();
    REQUIRE(lost.has_value());
    REQUIRE_FALSE(lost->has_value());
    CHECK(lost->error().kind == ErrorKind::Unavailable);
    REQUIRE(client->come_back(10s));
    CHECK(client->ask(HelloRequest{}).has_value());
    CHECK(restarts == 1);
}

TEST_CASE("a supervisor that goes away in the middle of a wait is said to have") {
    std::atomic<std::size_t> asked = 0;
    auto door =
        std::make_unique<TestDoor>(in_turn({{1, {row("Starting", Outlook::Pending, 2)}, {}, ""}}, asked));
    auto client = Client::connect(door->socket());
    REQUIRE(client.has_value());
    Waiting waiting(Goal::Started);
    waiting.add("web", 1);
    std::thread ends([&] {
        door->eventually_parked(1);
        door->close();
    });
    const auto over = follow(*client, waiting, 30s, [](const auto&) {});
    ends.join();
    REQUIRE_FALSE(over.has_value());
    CHECK(over.error().kind == ErrorKind::Unavailable);
}

TEST_CASE("who asks by a number of the program before an upgrade is told everything, and can know that") {
    Upgrading supervisor(earlier_program(), later_program({stopped("web")}));
    auto client = Client::connect(supervisor.socket());
    REQUIRE(client.has_value());
    client->leave_to_process_end();
    CHECK(client->ask(StatusRequest{}).has_value());
    CHECK(client->connections() == 1);
    supervisor.upgrade(*client);
    const auto told = client->ask_for<StatusReply>(StatusRequest{{}, 7, 1s});
    REQUIRE(told.has_value());
    CHECK(told->rows.size() == 1);
    CHECK(client->connections() > 1);
}

TEST_CASE("what was asked of a program before an upgrade is followed by the next one's numbers") {
    Upgrading supervisor(earlier_program(), later_program({stopped("web"), stopped("db")}));
    auto client = Client::connect(supervisor.socket());
    REQUIRE(client.has_value());
    client->leave_to_process_end();
    Waiting waiting(Goal::Stopped);
    SUBCASE("it begins before the first look") {
        waiting.add(ActionReply{7, {{"web", 3, "", "Stopping"}, {"db", 0, "was not running", "Stopped"}}});
        supervisor.upgrade(*client);
    }
    SUBCASE("the first look is spared") {
        waiting.add(ActionReply{7, {{"web", 3, "", "Stopping"}}});
        supervisor.upgrade(*client);
    }
    SUBCASE("the client has come back already") {
        waiting.add(ActionReply{7, {{"web", 3, "", "Stopping"}}});
        supervisor.upgrade(*client);
        REQUIRE(client->ask(StatusRequest{}).has_value());
    }
    CHECK(follow(*client, waiting, 1s, [](const auto&) {}));
    CHECK_FALSE(waiting.has_failed());
}

TEST_CASE("what is gone after an upgrade in the middle of a wait is noticed") {
    std::promise<void> waits;
    Upgrading supervisor(earlier_program(&waits), later_program({stopped("web")}));
    auto client = Client::connect(supervisor.socket());
    REQUIRE(client.has_value());
    client->leave_to_process_end();
    Waiting waiting(Goal::Stopped);
    waiting.add(ActionReply{7, {{"web", 3, "", "Stopping"}, {"old", 4, "", "Stopping"}}});
    SUBCASE("where all are named") {}
    SUBCASE("where they are too many for that") {
        for (int i = 0; i < 100; ++i)
            waiting.add(ActionReply{7, {{"old:" + std::to_string(i), 4, "", "Stopping"}}});
    }
    std::thread upgrades([&, waiting_now = waits.get_future()] {
        if (waiting_now.wait_for(10s) == std::future_status::ready) supervisor.upgrade();
    });
    const auto over = follow(*client, waiting, 1s, [](const auto&) {});
    upgrades.join();
    CHECK(over.has_value());
    CHECK_FALSE(waiting.has_failed());
}
