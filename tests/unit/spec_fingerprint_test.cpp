#include "supervisor/core/spec_fingerprint.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <set>

using namespace pmctl;

namespace {

ProcessSpec spec() {
    ProcessSpec made;
    made.command = {"./server", "--port", "${PORT}"};
    made.working_dir = "/srv/shop";
    made.env = {{"A", "1"}, {"B", "2"}};
    return made;
}

}  // namespace

TEST_CASE("equal specifications have one fingerprint, in every build and on every machine") {
    CHECK(spec_fingerprint(spec()) == spec_fingerprint(spec()));
    // Of a version that was given out: children of it are running somewhere.
    CHECK(spec_fingerprint(ProcessSpec{}) == "cbf29ce484222325");
    CHECK(spec_fingerprint(spec()) == "75716335aad6f79f");
}

TEST_CASE("each field changes the fingerprint, and in its own way") {
    const std::vector<std::function<void(ProcessSpec&)>> changes = {
        [](ProcessSpec& s) { s.command = {"./server", "--port"}; },
        [](ProcessSpec& s) { s.command = {"./server", "--port${PORT}"}; },
        [](ProcessSpec& s) { s.working_dir = "/srv"; },
        [](ProcessSpec& s) { s.env_file_values = {{"A", "1"}}; },
        [](ProcessSpec& s) { s.env = {{"A", "1"}}; },
        [](ProcessSpec& s) { s.env = {{"A", "2"}, {"B", "1"}}; },
        [](ProcessSpec& s) { s.env = {{"A", "1B"}, {"", "2"}}; },
        [](ProcessSpec& s) { s.pass_internal_secret = true; },
        [](ProcessSpec& s) { s.user = "shop"; },
        [](ProcessSpec& s) { s.group_id = "shop"; },
        [](ProcessSpec& s) { s.umask = 0027; },
        [](ProcessSpec& s) { s.umask = 0; },
        [](ProcessSpec& s) { s.port = {PortWish::Kind::None, 0}; },
        [](ProcessSpec& s) { s.port = {PortWish::Kind::Fixed, 8080}; },
        [](ProcessSpec& s) { s.port = {PortWish::Kind::Fixed, 8081}; },
        [](ProcessSpec& s) { s.socket_activation = true; },
        [](ProcessSpec& s) { s.limits.open_files = 100; },
        [](ProcessSpec& s) { s.limits.core_size = 0; },
        [](ProcessSpec& s) { s.limits.core_size = 100; },
        [](ProcessSpec& s) { s.limits.memory = 100; },
        [](ProcessSpec& s) { s.limits.cpu = 1.5; },
        [](ProcessSpec& s) { s.limits.cpu = 0.5; },
        [](ProcessSpec& s) { s.limits.tasks = 100; },
        [](ProcessSpec& s) { s.version = "shop"; },
        [](ProcessSpec& s) { s.db_name = "shop"; },
        [](ProcessSpec& s) { s.secret_mark = 100; },
        [](ProcessSpec& s) { s.secret_mark = 1ULL << 63; },
    };
    std::set<std::string> seen = {spec_fingerprint(spec())};
    for (std::size_t i = 0; i < changes.size(); ++i) {
        CAPTURE(i);
        ProcessSpec changed = spec();
        changes[i](changed);
        const std::string text = spec_fingerprint(changed);
        CHECK(text.size() == 16);
        CHECK(seen.insert(text).second);
    }
}

TEST_CASE("what is written out and is the default anyway changes nothing") {
    ProcessSpec explicit_defaults = spec();
    explicit_defaults.umask = 0022;
    explicit_defaults.port = {PortWish::Kind::Auto, 0};
    explicit_defaults.limits.cpu = 0;
    CHECK(spec_fingerprint(explicit_defaults) == spec_fingerprint(spec()));
}
