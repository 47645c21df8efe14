#include "supervisor/roster.hpp"

#include <doctest/doctest.h>

#include "tests/scenario/config_builder.hpp"

using namespace pmctl;
using namespace pmctl::test;
using namespace std::chrono_literals;

namespace {

SpecPtr spec_of(InstanceSpec spec, std::uint32_t replicas = 1) {
    spec.replicas = replicas;
    return std::make_shared<const InstanceSpec>(std::move(spec));
}

std::vector<std::string> names(const std::vector<Member*>& members) {
    std::vector<std::string> all;
    for (const Member* each : members) all.push_back(each->name);
    return all;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("names follow the number of replicas, log names never change") {
    Roster roster;
    Instance& web = roster.add_instance(spec_of(service("web")));
    Member& first = roster.add_member(web, 0);
    CHECK(first.name == "web");
    web.scale = 2;
    Member& second = roster.add_member(web, 1);
    const auto before = roster.generation();
    roster.rename_members(web);
    CHECK(first.name == "web:0");
    CHECK(second.name == "web:1");
    CHECK(first.log_name == "web");
    CHECK(second.log_name == "web:1");
    CHECK(roster.gone_since(before) == Names{"web"});
    CHECK(names(roster.changed_since(before)) == Names{"web:0"});
    web.scale.reset();
    second.replica.leaving = true;
    roster.rename_members(web);
    CHECK(first.name == "web");
    CHECK(second.name == "web:1");
}

TEST_CASE("a name that is there again is not gone") {
    Roster roster;
    Instance& web = roster.add_instance(spec_of(service("web")));
    roster.add_member(web, 0);
    const auto start = roster.generation();
    web.scale = 2;
    roster.rename_members(web);
    web.scale = 1;
    roster.rename_members(web);
    CHECK(roster.gone_since(start) == Names{"web:0"});
    CHECK(names(roster.changed_since(start)) == Names{"web"});
}

TEST_CASE("an instance stays when its last replica goes, and goes when it is told to") {
    Roster roster;
    Instance& web = roster.add_instance(spec_of(service("web")));
    Member& only = roster.add_member(web, 0);
    only.replica.run = Run{};
    only.replica.run->number = 7;
    roster.set_run(only, 7);
    roster.schedule(only, TimePoint(5s));
    CHECK(roster.find_run(7) == &only);
    roster.remove(only);
    CHECK(roster.size() == 0);
    CHECK(roster.find_run(7) == nullptr);
    CHECK(roster.next_deadline() == TimePoint::max());
    REQUIRE(roster.find("web") != nullptr);
    CHECK(roster.find("web")->members.empty());
    roster.remove_instance("web");
    CHECK(roster.find("web") == nullptr);
}

TEST_CASE("of the same moment the older comes first, wherever it is in memory") {
    Roster roster;
    Instance& web = roster.add_instance(spec_of(service("web"), 100));
    for (std::uint32_t number = 0; number < 100; ++number) roster.add_member(web, number);
    // The places of those that go are given to those that come.
    for (std::uint32_t number = 0; number < 100; number += 2) {
        roster.remove(*web.members.front());
        roster.add_member(web, 100 + number);
    }
    for (auto member = web.members.rbegin(); member != web.members.rend(); ++member)
        roster.schedule(**member, TimePoint(1s));
    for (const auto& member : web.members) CHECK(roster.take_due(TimePoint(1s)) == member.get());
    CHECK(roster.take_due(TimePoint(1s)) == nullptr);
}

TEST_CASE("deadlines come earliest first, one for each member") {
    Roster roster;
    std::vector<Member*> members;
    for (const char* id : {"a", "b", "c"})
        members.push_back(&roster.add_member(roster.add_instance(spec_of(service(id))), 0));
    CHECK(roster.next_deadline() == TimePoint::max());
    roster.schedule(*members[0], TimePoint(3s));
    roster.schedule(*members[1], TimePoint(1s));
    roster.schedule(*members[2], TimePoint(2s));
    roster.schedule(*members[1], TimePoint(4s));
    CHECK(roster.next_deadline() == TimePoint(2s));
    CHECK(roster.take_due(TimePoint(1s)) == nullptr);
    CHECK(roster.take_due(TimePoint(9s)) == members[2]);
    CHECK(roster.take_due(TimePoint(9s)) == members[0]);
    CHECK(roster.take_due(TimePoint(9s)) == members[1]);
    CHECK(roster.take_due(TimePoint(9s)) == nullptr);
    roster.schedule(*members[0], TimePoint(3s));
    roster.schedule(*members[0], TimePoint::max());
    CHECK(roster.next_deadline() == TimePoint::max());
}

TEST_CASE("what changed since a generation, and when that is no longer known") {
    Roster roster;
    Instance& web = roster.add_instance(spec_of(service("web")));
    Member& a = roster.add_member(web, 0);
    Member& b = roster.add_member(roster.add_instance(spec_of(service("b"))), 0);
    const auto start = roster.generation();
    CHECK(roster.changed_since(start).empty());
    roster.touch(a);
    roster.touch(b);
    roster.touch(a);
    CHECK(names(roster.changed_since(start)) == Names{"b", "web"});
    CHECK(roster.changed_since(roster.generation()).empty());
    CHECK_FALSE(roster.forgot_since(start));
    web.scale = 6000;
    for (std::uint32_t i = 1; i <= 5000; ++i) roster.remove(roster.add_member(web, i));
    CHECK(roster.forgot_since(start));
    CHECK_FALSE(roster.forgot_since(roster.generation()));
    CHECK(roster.gone_since(roster.generation() - 1).size() == 1);
}

TEST_CASE("who depends on whom") {
    Roster roster;
    roster.add_instance(spec_of(service("db")));
    roster.add_instance(spec_of(needing(service("api"), {"db", "nobody"})));
    roster.add_instance(spec_of(needing(service("web"), {"api", "db"})));
    roster.link_dependents();
    CHECK(roster.find("db")->dependents == Names{"api", "web"});
    CHECK(roster.find("api")->dependents == Names{"web"});
    CHECK(roster.find("web")->dependents.empty());
}
