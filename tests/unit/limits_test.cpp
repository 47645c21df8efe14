#include "supervisor/io/limits.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

using namespace pmctl;

TEST_CASE("The limit on descriptors is raised to the hard one, and what it was is told") {
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const rlimit lowered{256, limit.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    const auto before = raise_file_limit();
    REQUIRE(before);
    CHECK(before->rlim_cur == 256);
    CHECK(before->rlim_max == limit.rlim_max);
    rlimit now{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &now) == 0);
    CHECK(now.rlim_cur == limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_CASE("A spare descriptor makes room for one in a full table, and comes back when there is room") {
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const rlimit few{64, limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    SpareDescriptor spare;
    CHECK(spare.held());
    std::vector<int> open;
    for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) open.push_back(fd);
    CHECK(errno == EMFILE);
    CHECK(spare.release());
    const int needed = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(needed >= 0);
    spare.restore();
    CHECK_FALSE(spare.held());
    CHECK_FALSE(spare.release());
    ::close(needed);
    spare.restore();
    CHECK(spare.held());
    for (const int fd : open) ::close(fd);
    ::setrlimit(RLIMIT_NOFILE, &limit);
}
