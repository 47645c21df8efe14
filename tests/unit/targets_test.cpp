#include "supervisor/targets.hpp"

#include <doctest/doctest.h>

#include "supervisor/roster.hpp"
#include "tests/scenario/config_builder.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

Roster roster() {
    Roster roster;
    std::vector<InstanceSpec> specs = {service("api"), service("web"), service("web-admin"),
                                       service("worker")};
    specs[0].policy.group = "back";
    specs[3].policy.group = "back";
    specs[1].replicas = 3;
    for (const SpecPtr& spec : config_of(specs).instances) {
        Instance& instance = roster.add_instance(spec);
        for (std::uint32_t i = 0; i < spec->replicas; ++i) roster.add_member(instance, i);
    }
    return roster;
}

std::string found(const Roster& roster, const std::vector<std::string>& targets, bool all = false) {
    const auto members = roster.resolve(Targets{targets, all}, false);
    if (!members) return std::to_string(exit_status(members.error().kind)) + ": " + members.error().message;
    std::string names;
    for (const Member* each : *members) names += (names.empty() ? "" : " ") + each->name;
    return names;
}

}  // namespace

TEST_CASE("a target is an id, a replica, a group or a glob") {
    const Roster all = roster();
    CHECK(found(all, {"web"}) == "web:0 web:1 web:2");
    CHECK(found(all, {"web:1"}) == "web:1");
    CHECK(found(all, {"api:0"}) == "api");
    CHECK(found(all, {"@back"}) == "api worker");
    CHECK(found(all, {"w*"}) == "web:0 web:1 web:2 web-admin worker");
    CHECK(found(all, {"web:[02]"}) == "web:0 web:2");
    CHECK(found(all, {"web", "web:1", "*:1"}) == "web:0 web:1 web:2");
    CHECK(found(all, {}, true) == "api web:0 web:1 web:2 web-admin worker");
}

TEST_CASE("a target that meets nothing is an error that says which and what may be meant") {
    const Roster all = roster();
    CHECK(found(all, {"wbe"}) == "4: no instance 'wbe', did you mean 'web'?");
    CHECK(found(all, {"zzzzzz"}) == "4: no instance 'zzzzzz'");
    CHECK(found(all, {"web:3"}).starts_with("4: no instance 'web:3', did you mean 'web:"));
    CHECK(found(all, {"web:01"}).starts_with("4: no instance 'web:01'"));
    CHECK(found(all, {"web:"}).starts_with("4: no instance 'web:'"));
    CHECK(found(all, {"@none"}) == "4: no instance is in group 'none'");
    CHECK(found(all, {"x*", "api", "@no"}) == "4: no instance matches 'x*'; no instance is in group 'no'");
    CHECK(found(all, {}).starts_with("2: name at least one instance"));
}

TEST_CASE("one member is met by the targets that resolve to it, and by no others") {
    const Roster all = roster();
    for (const std::string target : {"web", "web:1", "web:2", "api:0", "api", "@back", "@none", "w*",
                                     "web:[02]", "*", "wbe", "web-admin"}) {
        const auto members = all.resolve(Targets{{target}, false}, false);
        for (const auto& [id, instance] : all.instances()) {
            for (const auto& member : instance.members) {
                CAPTURE(target);
                CAPTURE(member->name);
                const bool in =
                    members && std::find(members->begin(), members->end(), member.get()) != members->end();
                CHECK(concerns(all.instances(), Targets{{target}, false}, *member) == in);
            }
        }
    }
    CHECK(concerns(all.instances(), Targets{}, *all.find("api")->members.front()));
    CHECK(concerns(all.instances(), Targets{{"nobody"}, true}, *all.find("api")->members.front()));
}

TEST_CASE("the ungrouped are no group") {
    CHECK(found(roster(), {"@"}) == "4: no instance is in group ''");
}

TEST_CASE("globs") {
    struct Row {
        const char* pattern;
        const char* text;
        bool fits;
    };
    const Row rows[] = {{"", "", true},
                        {"*", "", true},
                        {"*", "a.b/c", true},
                        {"a*b*c", "aXXbYYc", true},
                        {"a*b*c", "aXXbYY", false},
                        {"?", "", false},
                        {"?", "x", true},
                        {"[abc]", "b", true},
                        {"[!abc]", "b", false},
                        {"[^abc]", "d", true},
                        {"[a-c]x", "bx", true},
                        {"[a-c]x", "dx", false},
                        {"[]]", "]", true},
                        {"[!]]", "]", false},
                        {"[a-]", "-", true},
                        {"[", "[", true},
                        {"[ab", "[ab", true},
                        {"**", "abc", true},
                        {"*a", "aaab", false},
                        {"*ab", "aaab", true},
                        {"web-*", "web", false}};
    for (const Row& row : rows) {
        CAPTURE(row.pattern);
        CAPTURE(row.text);
        CHECK(matches_glob(row.pattern, row.text) == row.fits);
    }
    std::string stars;
    for (int i = 0; i < 200; ++i) stars += "a*";
    CHECK_FALSE(matches_glob(stars + "b", std::string(2000, 'a')));
}
