#include "supervisor/io/limits.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
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

TEST_CASE("Children go before the supervisor where memory runs out") {
    struct Case {
        int before;
        bool spared;
        int children;
    };
    for (const Case& each : {Case{0, true, 0}, Case{200, true, 200}, Case{-900, true, 0}, Case{-300, true, 0},
                             Case{0, false, 100}, Case{200, false, 300}, Case{950, false, 1000}}) {
        CAPTURE(each.before);
        CHECK(child_oom_score(each.before, each.spared) == each.children);
    }
}

TEST_CASE("The supervisor is spared where that is permitted, and else its children are told to go first") {
    const auto own_score = [] {
        int score = 0;
        std::ifstream("/proc/self/oom_score_adj") >> score;
        return score;
    };
    const int before = own_score();
    const auto children = spare_from_oom();
    const int after = own_score();
    REQUIRE(children);
    CHECK((after == spared_oom_score || after == before));
    CHECK(*children == child_oom_score(before, after < 0));
    CHECK((after < *children || after == 1000));  // where it was begun with the highest
    std::ofstream("/proc/self/oom_score_adj") << before << std::flush;
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
