#include "supervisor/io/notify.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "tests/unit/spawned.hpp"

using namespace pmctl;

namespace {

// The service manager's end.
struct Manager {
    int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    explicit Manager(const std::string& name) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        const bool abstract = name.starts_with('@');
        if (abstract) address.sun_path[0] = '\0';
        const auto size = offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1);
        REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(size)) == 0);
    }
    ~Manager() { ::close(fd); }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;

    std::string heard() const {
        std::array<char, 512> text{};
        const ssize_t got = ::recv(fd, text.data(), text.size(), MSG_DONTWAIT);
        return got < 0 ? "nothing" : std::string(text.data(), static_cast<std::size_t>(got));
    }
};

}  // namespace

TEST_CASE("A manager is told what sd_notify(3) says, over a path") {
    const test::TempFolder folder;
    const Manager manager(folder.path + "/notify");
    const Notifier notifier(folder.path + "/notify");
    CHECK(notifier.active());
    CHECK(notifier.ready("3 of 4\nrunning"));
    CHECK(manager.heard() == "READY=1\nSTATUS=3 of 4 running");
    CHECK(notifier.reloading(TimePoint(std::chrono::microseconds(12345))));
    CHECK(manager.heard() == "RELOADING=1\nMONOTONIC_USEC=12345");
    CHECK(notifier.stopping("stopping"));
    CHECK(manager.heard() == "STOPPING=1\nSTATUS=stopping");
    CHECK(notifier.status("well"));
    CHECK(manager.heard() == "STATUS=well");
    CHECK(notifier.watchdog());
    CHECK(manager.heard() == "WATCHDOG=1");
    CHECK(notifier.main_pid(42));
    CHECK(manager.heard() == "MAINPID=42");
}

TEST_CASE("A name in the abstract namespace is one without a file") {
    const std::string name = "@pmctl-notify-test-" + std::to_string(::getpid());
    const Manager manager(name);
    CHECK(Notifier(name).ready("up"));
    CHECK(manager.heard() == "READY=1\nSTATUS=up");
}

TEST_CASE("With nobody to tell, telling succeeds; with a wrong address it fails and says which") {
    CHECK_FALSE(Notifier("").active());
    CHECK(Notifier("").ready("up"));
    const auto missing = Notifier("/none/notify").ready("up");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().message == "NOTIFY_SOCKET '/none/notify': No such file or directory");
    CHECK_FALSE(Notifier("relative").ready("up"));
    CHECK_FALSE(Notifier("/" + std::string(200, 'x')).ready("up"));
}

TEST_CASE("The environment says whom to tell and how often, if this process is meant") {
    const auto with = [](const char* usec, const char* pid) {
        ::setenv("NOTIFY_SOCKET", "/run/n", 1);
        usec == nullptr ? ::unsetenv("WATCHDOG_USEC") : ::setenv("WATCHDOG_USEC", usec, 1);
        pid == nullptr ? ::unsetenv("WATCHDOG_PID") : ::setenv("WATCHDOG_PID", pid, 1);
        return Notifier::from_environment();
    };
    const std::string own = std::to_string(::getpid());
    CHECK(with(nullptr, nullptr).active());
    CHECK(with(nullptr, nullptr).watchdog_interval() == std::nullopt);
    CHECK(with("2000000", nullptr).watchdog_interval() == Duration(std::chrono::seconds(2)));
    CHECK(with("2000000", own.c_str()).watchdog_interval() == Duration(std::chrono::seconds(2)));
    CHECK(with("2000000", "1").watchdog_interval() == std::nullopt);
    CHECK(with("0", nullptr).watchdog_interval() == std::nullopt);
    CHECK(with("soon", nullptr).watchdog_interval() == std::nullopt);
    ::unsetenv("NOTIFY_SOCKET");
    CHECK_FALSE(Notifier::from_environment().active());
}
