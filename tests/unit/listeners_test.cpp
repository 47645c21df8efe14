#include "supervisor/io/listeners.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>

#include "supervisor/io/pidfd.hpp"
#include "tests/unit/logs_fixture.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

bool answers(std::uint16_t port) {
    const Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// An earlier supervisor's socket, and a program that it gave it to.
struct Inherited {
    std::uint16_t port = 0;
    std::unique_ptr<Listeners> earlier = std::make_unique<Listeners>();
    std::unique_ptr<Fork> program;
    Descriptor pidfd;

    // `arrange`: what the program does with its descriptor 3.
    explicit Inherited(const std::function<void()>& arrange) {
        Result<int> opened = fail("no port");
        for (int i = 0; i < 50 && !opened; ++i) {
            port = static_cast<std::uint16_t>(19000 + (::getpid() * 7 + i) % 1000);
            opened = earlier->open(port);
        }
        REQUIRE(opened);
        std::array<int, 2> ready{};
        REQUIRE(::pipe2(ready.data(), O_CLOEXEC) == 0);
        const int ready_end = ::fcntl(ready[1], F_DUPFD_CLOEXEC, 200);
        program = std::make_unique<Fork>([&] {
            ::dup2(*opened, 3);
            for (int fd = 4; fd < 200; ++fd) ::close(fd);
            arrange();
            if (::write(ready_end, "r", 1) == 1) ::pause();
        });
        char byte = 0;
        REQUIRE(::read(ready[0], &byte, 1) == 1);
        for (const int fd : {ready[0], ready[1], ready_end}) ::close(fd);
        pidfd = open_pidfd(program->pid());
        REQUIRE(pidfd);
        earlier.reset();
    }
};

}  // namespace

TEST_CASE("a listening socket is taken back from the program that holds it, and outlives that one") {
    Listeners listeners;
    std::unique_ptr<Inherited> from;
    SUBCASE("where it was put") {
        from = std::make_unique<Inherited>([] {});
    }
    SUBCASE("where the program has moved it, beside another one") {
        from = std::make_unique<Inherited>([] {
            ::dup2(3, 57);
            ::close(3);
            if (listen_everywhere(0, 1) < 0) ::_exit(1);
        });
    }
    REQUIRE(answers(from->port));
    REQUIRE(listeners.adopt(from->port, from->pidfd.get(), from->program->pid()));
    from->program->end(SIGKILL);
    CHECK(answers(from->port));
    const auto same = listeners.open(from->port);
    REQUIRE(same);
    CHECK((::fcntl(*same, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(listeners.adopt(from->port, from->pidfd.get(), from->program->pid()));  // it has it
    listeners.close(from->port);
    CHECK_FALSE(answers(from->port));
}

TEST_CASE("one that the program has closed is opened anew") {
    Listeners listeners;
    const Inherited from([] { ::close(3); });
    CHECK_FALSE(answers(from.port));
    REQUIRE(listeners.adopt(from.port, from.pidfd.get(), from.program->pid()));
    CHECK(answers(from.port));
}

TEST_CASE("one of a program that may not be traced is not to be had, and that is said") {
    if (::geteuid() != 0) return;  // another user is needed
    const Inherited from([] {});
    const Fork nobody([&] {
        if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(1);
        Listeners listeners;
        const auto taken = listeners.adopt(from.port, from.pidfd.get(), from.program->pid());
        const std::string said = "the listening socket of port " + std::to_string(from.port) +
                                 " cannot be had from pid " + std::to_string(from.program->pid()) +
                                 ": Operation not permitted";
        ::_exit(!taken && taken.error().message == said ? 7 : 2);
    });
    int status = -1;
    REQUIRE(::waitpid(nobody.pid(), &status, 0) == nobody.pid());
    CHECK(WEXITSTATUS(status) == 7);
}
