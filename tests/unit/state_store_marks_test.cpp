#include <sqlite3.h>

#include "tests/unit/state_store_fixture.hpp"

using namespace pmctl;
using enum MarkKind;

namespace {

constexpr auto second = std::chrono::seconds(1);

StoreWrite mark(int at, const std::string& name, MarkKind kind, Duration took = {}) {
    StoreWrite write;
    write.kind = StoreWrite::Kind::AppendMark;
    write.mark = {WallTime(at * second), name, kind, took};
    return write;
}

std::vector<std::string> read(const StateStore& store, int since) {
    const auto found = store.marks(WallTime(since * second));
    REQUIRE_MESSAGE(found.has_value(), found.error().message);
    std::vector<std::string> texts;
    for (const Mark& each : *found)
        texts.push_back(std::to_string(each.at.time_since_epoch() / second) + " " + each.name + " " +
                        std::to_string(static_cast<int>(each.kind)));
    return texts;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("marks come back in their order, with the last state of each name before the window") {
    const Folder folder;
    {
        const auto store = open(folder);
        CHECK(read(*store, 0).empty());
        store->write(mark(5, "old", Serves));
        store->write(mark(9, "", SupervisorEnds));
        store->write(mark(10, "", SupervisorStarts));
        store->write(mark(11, "web", Missed));
        store->write(mark(12, "web", Serves));
        store->write(mark(13, "db", Serves));
        store->write(mark(14, "db", Failed));
        store->write(mark(20, "", SupervisorLives));
        store->write(mark(20, "", Applied, std::chrono::milliseconds(7)));
        store->write(mark(21, "web", Missed));
        store->write(mark(22, "läden", Updated));
        REQUIRE(flushed(*store) == "");
        CHECK(read(*store, 0).size() == 11);
        // Not "old": a later supervisor would have said so again.
        CHECK(read(*store, 21) == Texts{"12 web 0", "13 db 0", "20  8", "21 web 1", "22 läden 4"});
        CHECK(read(*store, 99) == Texts{"13 db 0", "20  8", "21 web 1"});
        CHECK(read(*store, 10) == Texts{"5 old 0", "9  7", "10  6", "11 web 1", "12 web 0", "13 db 0",
                                        "14 db 3", "20  8", "20  9", "21 web 1", "22 läden 4"});
    }
    const auto again = open(folder)->marks(WallTime(20 * second));
    REQUIRE(again.has_value());
    CHECK(again->at(4) == Mark{WallTime(20 * second), "", Applied, std::chrono::milliseconds(7)});
}

TEST_CASE("where the clock was set back, what was marked later comes later") {
    const Folder folder;
    const auto store = open(folder);
    store->write(mark(100, "web", Serves));
    store->write(mark(40, "web", Missed));
    store->write(mark(41, "web", Serves));
    REQUIRE(flushed(*store) == "");
    CHECK(read(*store, 90) == Texts{"100 web 0", "40 web 1", "41 web 0"});
}

TEST_CASE("old marks are pruned, the newest kept, at a start too") {
    const Folder folder;
    {
        const auto store = open(folder);
        for (int n = 1; n <= 10'000; ++n) store->write(mark(n, "web", Failed));
        REQUIRE(flushed(*store) == "");
        CHECK(read(*store, 0).size() == 10'000);
    }
    StoreLimits limits;
    limits.kept_marks = 3000;
    const auto store = open(folder, limits);
    store->write(mark(10'001, "web", Failed));
    REQUIRE(flushed(*store) == "");
    CHECK(read(*store, 0).size() == 3000);
    CHECK(read(*store, 0).back() == "10001 web 3");
    for (int n = 10'002; n <= 20'000; ++n) store->write(mark(n, "web", Failed));
    REQUIRE(flushed(*store) == "");
    CHECK(read(*store, 0).size() >= 3000);
    CHECK(read(*store, 0).size() < 3000 + 4096 + 512);
}

TEST_CASE("a store that an earlier pmctl wrote has no marks, and takes them") {
    const Folder folder;
    open(folder).reset();
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(folder.db().c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, "DROP TABLE marks", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    const auto store = open(folder);
    CHECK(store->notice().empty());
    CHECK(read(*store, 0).empty());
    store->write(mark(1, "web", Serves));
    REQUIRE(flushed(*store) == "");
    CHECK(read(*store, 0) == Texts{"1 web 0"});
}
