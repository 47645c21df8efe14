#include <sqlite3.h>

#include <optional>

#include "tests/unit/state_store_fixture.hpp"

using namespace pmctl;

namespace {

AdminSnapshot snapshot(std::uint64_t event) {
    AdminSnapshot all;
    all.entries = {{"api", 3, {{"app", std::string("shop")}, {"replicas", std::int64_t{2}}}},
                   {"web", event, {{"hostname", std::vector<std::string>{"a.localhost", "b.localhost"}}}}};
    all.event = event;
    all.etag = "\"abc\"";
    all.fetched_at = WallTime(Duration(1'700'000'000'123'456'789));
    return all;
}

StoreWrite admin(std::optional<AdminSnapshot> what) {
    StoreWrite write;
    write.kind = StoreWrite::Kind::SetAdmin;
    if (what) write.admin = std::make_shared<const AdminSnapshot>(std::move(*what));
    return write;
}

void execute(const fs::path& path, const std::string& sql) {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
}

}  // namespace

TEST_CASE("the admin service's state comes back as it was, the last one alone") {
    const Folder folder;
    {
        const auto store = open(folder);
        CHECK(store->load().admin == nullptr);
        store->write(admin(snapshot(41)));
        store->write(admin(snapshot(42)));
        REQUIRE(flushed(*store) == "");
    }
    {
        const auto store = open(folder);
        const StoredState state = store->load();
        REQUIRE(state.admin != nullptr);
        CHECK(*state.admin == snapshot(42));
        CHECK(state.admin_fault.empty());
        store->write(admin(std::nullopt));
        REQUIRE(flushed(*store) == "");
    }
    CHECK(open(folder)->load().admin == nullptr);
}

TEST_CASE("a store of a pmctl that knew no admin service opens and keeps what it has") {
    const Folder folder;
    {
        const auto store = open(folder);
        store->write(intention("web", 0, Wanted::Stopped));
        REQUIRE(flushed(*store) == "");
    }
    execute(folder.db(), "DROP TABLE admin");
    const auto store = open(folder);
    CHECK(store->notice().empty());
    const StoredState state = store->load();
    CHECK(state.intentions.size() == 1);
    CHECK(state.admin == nullptr);
    store->write(admin(snapshot(7)));
    REQUIRE(flushed(*store) == "");
    CHECK(*open(folder)->load().admin == snapshot(7));
}

TEST_CASE("a state that cannot be read is left out with its reason, and the rest of the store counts") {
    const Folder folder;
    {
        const auto store = open(folder);
        store->write(admin(snapshot(7)));
        store->write(intention("web", 0, Wanted::Stopped));
        REQUIRE(flushed(*store) == "");
    }
    execute(folder.db(), "UPDATE admin SET snapshot = '{\"entries\": 7'");
    const StoredState state = open(folder)->load();
    CHECK(state.admin == nullptr);
    CHECK_FALSE(state.admin_fault.empty());
    CHECK(state.intentions.size() == 1);
}
