#include "supervisor/core/admin_take.hpp"

#include "admin_story.hpp"
#include "supervisor/core/recent_latencies.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

std::vector<AdminEntry> entries(const std::string& ids) {
    std::vector<AdminEntry> all;
    for (const char id : ids) all.push_back(entry_of(std::string(1, id)));
    return all;
}

std::string ids_of(const std::vector<AdminEntry>& all) {
    std::string ids;
    for (const AdminEntry& each : all) ids += each.id;
    return ids;
}

std::string joined(const std::vector<std::string>& ids) {
    std::string text;
    for (const std::string& each : ids) text += each;
    return text;
}

}  // namespace

TEST_CASE("what an answer removes: applied, held back, repeated") {
    struct Row {
        const char* in_force;
        const char* answer;
        const char* held;  // before
        bool may_confirm;
        const char* entries;
        const char* held_now;
        std::size_t removed;
    };
    const Row rows[] = {
        {"", "ab", "", false, "ab", "", 0},
        {"ab", "ab", "", false, "ab", "", 0},
        {"abc", "", "", false, "", "", 3},
        {"abcd", "ab", "", false, "ab", "", 2},
        {"abcd", "a", "", false, "abcd", "bcd", 0},
        {"abcd", "xyz", "", false, "abcdxyz", "abcd", 0},
        {"abcd", "a", "bcd", false, "abcd", "bcd", 0},      // too early
        {"abcd", "a", "bcd", true, "a", "", 3},             // repeated
        {"abcd", "", "bcd", true, "", "", 4},               // and one more
        {"abcd", "abc", "bcd", true, "abc", "", 1},         // some came back
        {"abcd", "abcd", "bcd", true, "abcd", "", 0},       // all did
        {"abcdefgh", "efgh", "abcd", true, "efgh", "", 4},  // by now less than more than half
        {"abcdefgh", "efgh", "abcd", false, "abcdefgh", "abcd", 0},
        {"abcdef", "f", "bcd", true, "f", "", 5},
        {"abcdef", "b", "bcd", true, "abcdef", "acdef", 0},  // others: held back anew
    };
    for (const Row& row : rows) {
        CAPTURE(row.in_force);
        CAPTURE(row.answer);
        CAPTURE(row.held);
        TakeRules rules{9, true, {}, row.may_confirm};
        for (const char* id = row.held; *id != '\0'; ++id) rules.held.emplace_back(1, *id);
        const TakenAnswer taken = take_answer(entries(row.in_force), entries(row.answer), rules);
        CHECK(ids_of(taken.entries) == row.entries);
        CHECK(joined(taken.held) == row.held_now);
        CHECK(taken.removed == row.removed);
        CHECK(taken.changed == (std::string(row.in_force) != row.entries));
        rules.hold = false;
        const TakenAnswer obeyed = take_answer(entries(row.in_force), entries(row.answer), rules);
        CHECK(ids_of(obeyed.entries) == row.answer);
        CHECK(obeyed.held.empty());
    }
}

TEST_CASE("what is new or changed has the event, what is the same keeps its own") {
    std::vector<AdminEntry> in_force = entries("ab");
    in_force[0].event = 3;
    in_force[1].event = 4;
    const TakenAnswer taken =
        take_answer(in_force, {entry_of("a"), entry_of("b", "2"), entry_of("c")}, TakeRules{9, true});
    CHECK(taken.entries.at(0).event == 3);
    CHECK(taken.entries.at(1).event == 9);
    CHECK(taken.entries.at(2).event == 9);
    CHECK(taken.changed);
}

TEST_CASE("latencies: count, last, longest, and the median of the most recent") {
    RecentLatencies latencies;
    CHECK(latencies.median() == 0ms);
    for (int i = 1; i <= 300; ++i) latencies.add(i * 1ms);
    latencies.add(1ms);
    CHECK(latencies.count == 301);
    CHECK(latencies.last == 1ms);
    CHECK(latencies.longest == 300ms);
    CHECK(latencies.recent.size() == RecentLatencies::kept);
    CHECK(latencies.median() == 251ms);
}
