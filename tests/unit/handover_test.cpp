#include "supervisor/io/handover.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string_view>

using namespace pmctl;

namespace {

bool stays_open(int fd) {
    return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0;
}

// A file that says so, as write_handover makes it.
int file_that_says(std::string_view text) {
    const int fd = ::memfd_create("test", 0);
    REQUIRE(::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    return fd;
}

}  // namespace

TEST_CASE("What is handed over arrives: limits, names, ports and open descriptors") {
    const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    Handover given;
    given.version = "0.1.0";
    given.child_defaults = {{1024, RLIM_INFINITY}, 150};
    given.pid_file = copy_for_exec(null.get());
    given.state_lock = copy_for_exec(null.get());
    given.http = copy_for_exec(null.get());
    given.http_from = "unix:/run/a b.sock";
    given.control = copy_for_exec(null.get());
    given.clients.push_back(copy_for_exec(null.get()));
    given.listeners[8080] = copy_for_exec(null.get());
    given.streams.push_back(copy_for_exec(null.get()));
    given.streams.push_back(copy_for_exec(null.get()));
    CHECK(stays_open(given.http.get()));
    auto file = write_handover(given);
    REQUIRE(file);
    CHECK(stays_open(file->get()));

    // As the next program does it, whose descriptors these are then.
    auto taken = read_handover(file->release());
    REQUIRE(taken);
    CHECK(taken->version == "0.1.0");
    CHECK(taken->child_defaults.files.rlim_cur == 1024);
    CHECK(taken->child_defaults.files.rlim_max == RLIM_INFINITY);
    CHECK(taken->child_defaults.oom_score == 150);
    CHECK(taken->pid_file.get() == given.pid_file.release());
    CHECK(taken->state_lock.get() == given.state_lock.release());
    CHECK(taken->http.get() == given.http.release());
    CHECK(taken->http_from == "unix:/run/a b.sock");
    CHECK(taken->control.get() == given.control.release());
    REQUIRE(taken->clients.size() == 1);
    CHECK(taken->clients.front().get() == given.clients.front().release());
    REQUIRE(taken->listeners.contains(8080));
    CHECK(taken->listeners.at(8080).get() == given.listeners.at(8080).release());
    REQUIRE(taken->streams.size() == 2);
    for (Descriptor& each : given.streams) each.release();
    CHECK_FALSE(stays_open(taken->http.get()));
    CHECK_FALSE(stays_open(taken->streams.front().get()));
}

TEST_CASE("What is no handover is refused, and a kind that is not known is closed") {
    CHECK_FALSE(read_handover(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
    CHECK_FALSE(read_handover(9999));
    CHECK_FALSE(read_handover(file_that_says("hello\n")));
    CHECK_FALSE(read_handover(file_that_says("pmctl-handover 1\nstream x\n")));
    CHECK_FALSE(read_handover(file_that_says("pmctl-handover 1\nstream 1\n")));
    CHECK_FALSE(read_handover(file_that_says("pmctl-handover 1\nlistener 9999 80\n")));
    const int later = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const auto taken = read_handover(file_that_says("pmctl-handover 1\nsomething " + std::to_string(later)));
    REQUIRE(taken);
    CHECK(::fcntl(later, F_GETFD) < 0);
}
