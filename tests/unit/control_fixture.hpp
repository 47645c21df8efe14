// A door on a socket in a folder of its own, with a loop in a thread of its own, and a handler that the test
// gives. For the tests of both ends of the control socket.
#pragma once

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "cli/client.hpp"
#include "supervisor/io/control.hpp"

namespace pmctl {

class TestFolder {
  public:
    TestFolder() {
        std::array<char, 32> name{"/tmp/pmctl-test-XXXXXX"};
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name.data();
    }
    TestFolder(const TestFolder&) = delete;
    TestFolder& operator=(const TestFolder&) = delete;
    ~TestFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

class TestDoor {
  public:
    explicit TestDoor(Control::Handler handler, std::function<void(ControlSettings&)> change = {}) {
        ControlSettings settings{folder_.path() + "/pmctld.sock", 0600, std::nullopt, ::getuid()};
        if (change) change(settings);
        socket_ = settings.socket_path;
        std::promise<std::string> opened;
        auto problem = opened.get_future();
        thread_ = std::thread([this, settings, handler = greeting(std::move(handler)), &opened] {
            auto control = Control::listen(loop_, settings, handler, [this](uid_t) { ++refused_; });
            if (!control) return opened.set_value(control.error().message);
            control_ = std::make_unique<Control>(std::move(*control));
            opened.set_value("");
            loop_.run();
            control_.reset();
        });
        if (const std::string text = problem.get(); !text.empty()) {
            thread_.join();
            throw std::runtime_error(text);
        }
    }
    TestDoor(const TestDoor&) = delete;
    TestDoor& operator=(const TestDoor&) = delete;
    ~TestDoor() { close(); }

    void close() {
        if (!thread_.joinable()) return;
        loop_.stop();
        thread_.join();
    }
    // In the loop's thread; returns when it has been done.
    void run(const std::function<void(Control&)>& action) {
        std::promise<void> done;
        boost::asio::post(loop_.context(), [&] {
            action(*control_);
            done.set_value();
        });
        done.get_future().get();
    }
    void wake(Topic topic) {
        run([&](Control& control) { control.wake(topic); });
    }
    std::size_t parked() {
        std::size_t count = 0;
        run([&](Control& control) { count = control.parked(); });
        return count;
    }
    // Up to a minute; for what happens on nng's threads and tells nobody.
    bool eventually_parked(std::size_t count) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (parked() != count && std::chrono::steady_clock::now() < until) std::this_thread::yield();
        return parked() == count;
    }
    const std::string& socket() const { return socket_; }
    const std::string& folder() const { return folder_.path(); }
    int refused() const { return refused_; }
    int bugs() const { return bugs_; }

  private:
    // Each client says hello first: that is not the test's.
    static Control::Handler greeting(Control::Handler handler) {
        return [handler = std::move(handler)](const Request& request, bool may_park,
                                              const Peer& peer) -> Control::Answer {
            if (std::holds_alternative<HelloRequest>(request))
                return std::optional(Result<Reply>(HelloReply{protocol_version, "test", 0, "/x"}));
            return handler(request, may_park, peer);
        };
    }

    TestFolder folder_;
    std::string socket_;
    std::atomic<int> refused_ = 0;
    std::atomic<int> bugs_ = 0;
    Loop loop_{[this](const std::string&) { ++bugs_; }};
    std::unique_ptr<Control> control_;
    std::thread thread_;
};

inline Client client_of(const TestDoor& door) {
    auto client = Client::connect(door.socket());
    REQUIRE_MESSAGE(client.has_value(), client.error().message);
    return std::move(*client);
}

inline bool answers(const TestDoor& door) {
    Client client = client_of(door);
    const auto reply = client.ask(HelloRequest{});
    if (!reply) FAIL_CHECK(reply.error().message);
    return reply.has_value();
}

// Parks status requests until the generation is above theirs.
inline Control::Handler by_generation(std::atomic<std::uint64_t>& generation) {
    return [&](const Request& request, bool may_park, const Peer&) -> std::optional<Result<Reply>> {
        const auto* status = std::get_if<StatusRequest>(&request);
        if (status == nullptr) return Result<Reply>(HelloReply{1, "test", 0, "/x"});
        if (status->since >= generation && may_park) return std::nullopt;
        return Result<Reply>(StatusReply{generation, {}, {}, ""});
    };
}

}  // namespace pmctl
