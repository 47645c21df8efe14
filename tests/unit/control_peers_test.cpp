// Who may come through the door on the control socket.
#include <doctest/doctest.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atomic>
#include <string>

#include "cli/client.hpp"
#include "supervisor/io/control.hpp"
#include "tests/unit/control_fixture.hpp"

using namespace pmctl;
using namespace std::chrono_literals;

TEST_CASE("the socket has the mode that was asked for, and goes when the door closes") {
    std::atomic<std::uint64_t> generation = 1;
    TestDoor door(by_generation(generation), [](ControlSettings& settings) { settings.mode = 0660; });
    struct stat status{};
    REQUIRE(::stat(door.socket().c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0660);
    door.close();
    CHECK(::stat(door.socket().c_str(), &status) != 0);
    const auto refused = Client::connect(door.socket());
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::Unavailable);
    CHECK(refused.error().message.find("pmctl up") != std::string::npos);
}

TEST_CASE("a socket file that a dead supervisor left is taken over") {
    std::atomic<std::uint64_t> generation = 1;
    const TestFolder folder;
    const std::string path = folder.path() + "/s.sock";
    const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    ::close(dead);
    const TestDoor door(by_generation(generation),
                        [&](ControlSettings& settings) { settings.socket_path = path; });
    CHECK(answers(door));
}

namespace {

// What `pmctl` of another user would end with. In a child: users cannot be changed back.
int status_as(const TestDoor& door, uid_t uid, gid_t gid) {
    REQUIRE(::chmod(door.folder().c_str(), 0755) == 0);
    REQUIRE(::chmod(door.socket().c_str(), 0666) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setgroups(0, nullptr) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0) ::_exit(100);
        ::execl("/proc/self/exe", "control_test", "--test-case=* as the child of another test",
                "--no-skip=true", static_cast<char*>(nullptr));
        ::_exit(101);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

}  // namespace

TEST_CASE("asks hello as the child of another test" * doctest::skip(true)) {
    const char* socket = std::getenv("PMCTL_TEST_SOCKET");
    REQUIRE(socket != nullptr);
    auto client = Client::connect(socket);
    if (!client) ::_exit(exit_status(client.error().kind));
    const auto reply = client->ask(HelloRequest{});
    ::_exit(reply ? 0 : exit_status(reply.error().kind));
}

TEST_CASE("a stranger is refused and told of once, a member of the group is served") {
    if (::getuid() != 0) return;  // changing users takes root
    constexpr uid_t nobody = 65534;
    std::atomic<std::uint64_t> generation = 1;
    {
        const TestDoor door(by_generation(generation));
        ::setenv("PMCTL_TEST_SOCKET", door.socket().c_str(), 1);
        CHECK(status_as(door, nobody, nobody) == exit_status(ErrorKind::Denied));
        CHECK(status_as(door, nobody, nobody) == exit_status(ErrorKind::Denied));
        CHECK(door.refused() == 1);
        CHECK(answers(door));
    }
    {
        const TestDoor door(by_generation(generation), [](ControlSettings& settings) { settings.group = 4; });
        ::setenv("PMCTL_TEST_SOCKET", door.socket().c_str(), 1);
        struct stat status{};
        REQUIRE(::stat(door.socket().c_str(), &status) == 0);
        CHECK(status.st_gid == 4);
        CHECK(status_as(door, nobody, nobody) == exit_status(ErrorKind::Denied));
        CHECK(status_as(door, nobody, 4) == 0);  // its primary group
    }
    {
        // 65534 is nobody's group by /etc/group, whatever the process says its group is.
        const TestDoor door(by_generation(generation),
                            [](ControlSettings& settings) { settings.group = 65534; });
        ::setenv("PMCTL_TEST_SOCKET", door.socket().c_str(), 1);
        CHECK(status_as(door, nobody, 12345) == 0);
    }
}
