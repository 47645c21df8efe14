#include "supervisor/io/run_tag.hpp"

#include <doctest/doctest.h>

using namespace pmctl;

namespace {

std::string entries(const std::string& tag) {
    return std::string("A=1") + '\0' + tag + '\0' + "B=2" + '\0';
}

}  // namespace

TEST_CASE("tags are read as they are written, and only one's own") {
    const RunTag tag{12, "web:1", 30001, true, "0123456789abcdef", 4242};
    const std::string environ = entries(run_tag("/var/lib/p", tag));
    CHECK(read_run_tag("/var/lib/p", environ) == tag);
    CHECK(read_run_tag("/var/lib", environ) == std::nullopt);
    CHECK(read_run_tag("/var/lib/p web:1", environ) == std::nullopt);
    CHECK(read_run_tag("/var/lib/p", "") == std::nullopt);
}

TEST_CASE("a scope may hold spaces, and is another one's beginning") {
    const RunTag tag{1, "7", 8, false, "", 9};
    const std::string environ = entries(run_tag("/a b", tag));
    CHECK(read_run_tag("/a b", environ) == tag);
    CHECK(read_run_tag("/a", environ) == std::nullopt);
}

TEST_CASE("a tag without its leader has none") {
    const RunTag tag{1, "web", 0, false, "", 0};
    CHECK(run_tag("x", tag) == "PMCTL_RUN=x web 1 0 - - ");
    CHECK(read_run_tag("x", run_tag("x", tag)) == tag);
}

TEST_CASE("what is no tag is none") {
    for (const char* text : {"x web 1y 0 - - 4", "x web 1 0 - -", "x web 1 0 - - 4 5", "x web 1 0 - - 4z",
                             "x web 1 70000 - - 4", "x", "", "x:12", "xweb 1 0 - - 4", "x 1 0 - - 4"}) {
        CAPTURE(text);
        CHECK(read_run_tag("x", std::string("PMCTL_RUN=") + text) == std::nullopt);
    }
    CHECK(read_run_tag("x", "PMCTL_RUN=x web 1 0 - - 4") == RunTag{1, "web", 0, false, "", 4});
}
