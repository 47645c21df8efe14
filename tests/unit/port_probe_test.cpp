#include "supervisor/io/port_probe.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "supervisor/io/listeners.hpp"

using namespace pmctl;

namespace {

// Below the ports that the kernel gives to outgoing connections (ip_local_port_range, ip(7)): one of those
// stays in TIME_WAIT at another address after its owner has gone, and the wildcard's bind rightly meets it.
std::uint16_t next_port() {
    static std::uint16_t last = static_cast<std::uint16_t>(15000 + ::getpid() % 4000);
    return ++last;
}

struct Listener {
    int fd = -1;
    std::uint16_t port = 0;

    explicit Listener(int family, const char* address, int option = 0, bool only_six = false,
                      bool listens = true) {
        // A port that a stranger holds is passed over.
        for (int tries = 0; fd < 0 && tries < 50; ++tries)
            take(next_port(), family, address, option, only_six, listens);
    }
    ~Listener() { close(); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    void close() {
        if (fd >= 0) ::close(fd);
        fd = -1;
    }

  private:
    void take(std::uint16_t number, int family, const char* address, int option, bool only_six,
              bool listens) {
        if (port_state(number) != PortState::Free) return;
        fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int on = 1;
        if (option != 0) ::setsockopt(fd, SOL_SOCKET, option, &on, sizeof on);
        if (only_six) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        sockaddr_storage any{};
        any.ss_family = static_cast<sa_family_t>(family);
        auto* const base = reinterpret_cast<sockaddr*>(&any);
        auto* const four = reinterpret_cast<sockaddr_in*>(base);
        auto* const six = reinterpret_cast<sockaddr_in6*>(base);
        ::inet_pton(family, address,
                    family == AF_INET ? static_cast<void*>(&four->sin_addr) : &six->sin6_addr);
        (family == AF_INET ? four->sin_port : six->sin6_port) = htons(number);
        const socklen_t size = family == AF_INET ? sizeof *four : sizeof *six;
        if (::bind(fd, base, size) != 0 || (listens && ::listen(fd, 4) != 0)) return close();
        port = number;
    }
};

int connect_to(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    ::close(fd);
    return -1;
}

int count_open() {
    int count = 0;
    for (int fd = 0; fd < 256; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
}

}  // namespace

TEST_CASE("A live listener is found on every address and family, with every option") {
    struct Case {
        int family;
        const char* address;
        bool only_six;
    };
    for (const Case& each : {Case{AF_INET, "127.0.0.1", false}, Case{AF_INET, "127.0.0.2", false},
                             Case{AF_INET, "0.0.0.0", false}, Case{AF_INET6, "::1", false},
                             Case{AF_INET6, "::", false}, Case{AF_INET6, "::", true},
                             Case{AF_INET6, "::1", true}, Case{AF_INET6, "::ffff:127.0.0.3", false}}) {
        for (const int option : {0, SO_REUSEADDR, SO_REUSEPORT}) {
            CAPTURE(each.address);
            CAPTURE(option);
            Listener listener(each.family, each.address, option, each.only_six);
            if (listener.fd < 0 && each.family == AF_INET6) continue;  // no IPv6 here
            REQUIRE(listener.port != 0);
            CHECK(port_state(listener.port) == PortState::Taken);
            listener.close();
            CHECK(port_state(listener.port) == PortState::Free);
        }
    }
}

TEST_CASE("A socket that is bound and does not listen yet holds its port too") {
    Listener bound(AF_INET, "0.0.0.0", 0, false, false);
    CHECK(port_state(bound.port) == PortState::Taken);
}

TEST_CASE("A connection in TIME_WAIT is not taken for a listener") {
    Listener listener(AF_INET, "0.0.0.0", SO_REUSEADDR);
    const int client = connect_to(listener.port);
    REQUIRE(client >= 0);
    const int server = ::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC);
    REQUIRE(server >= 0);
    listener.close();
    // Who closes first stays in TIME_WAIT, here the side with the port in question.
    ::shutdown(server, SHUT_WR);
    char byte = 0;
    CHECK(::read(client, &byte, 1) == 0);
    ::close(client);
    CHECK(::read(server, &byte, 1) == 0);
    ::close(server);
    CHECK(port_state(listener.port) == PortState::Free);
}

TEST_CASE("A probe leaves nothing open, and can be repeated at once") {
    Listener listener(AF_INET, "0.0.0.0");
    const std::uint16_t port = listener.port;
    listener.close();
    const int before = count_open();
    for (int i = 0; i < 100; ++i) CHECK(port_state(port) == PortState::Free);
    CHECK(count_open() == before);
}

TEST_CASE("Who holds a port is named by pid and program, and nobody by nothing") {
    Listener four(AF_INET, "127.0.0.1");
    CHECK(port_holder(four.port) == "pid " + std::to_string(::getpid()) + " (port_probe_test)");
    const std::uint16_t port = four.port;
    four.close();
    CHECK(port_holder(port).empty());
    Listener six(AF_INET6, "::1");
    if (six.port != 0) CHECK(port_holder(six.port).starts_with("pid " + std::to_string(::getpid())));
}

TEST_CASE("A handed-over socket is opened once, hears both families, and is given up when asked") {
    Listener finder(AF_INET, "0.0.0.0");
    const std::uint16_t port = finder.port;
    Listeners listeners;
    const auto taken = listeners.open(port);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().message == "listening on port " + std::to_string(port) + ": Address already in use");
    finder.close();

    const auto fd = listeners.open(port);
    REQUIRE(fd);
    CHECK(listeners.open(port) == fd);
    CHECK((::fcntl(*fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(*fd, F_GETFL) & O_NONBLOCK) == 0);
    const int client = connect_to(port);
    CHECK(client >= 0);
    ::close(client);
    CHECK(port_state(port) == PortState::Taken);
    listeners.close(port);
    CHECK(port_state(port) == PortState::Free);
    listeners.close(port);
}
