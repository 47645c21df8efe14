#include "tests/unit/state_store_fixture.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <random>
#include <sstream>

#include "supervisor/io/state_schema.hpp"

using namespace pmctl;

TEST_CASE("a damaged database is set aside with its log, and a new one begun") {
    const Folder folder;
    fs::create_directory(folder.state());
    std::string content;
    SUBCASE("random bytes") {
        std::mt19937 random(42);
        for (int i = 0; i < 20'000; ++i) content += static_cast<char>(random());
    }
    SUBCASE("a few bytes") {
        content = "no database";
    }
    SUBCASE("zeros") {
        content.assign(8192, '\0');
    }
    SUBCASE("cut off") {
        {
            const auto store = open(folder);
            for (std::uint64_t n = 1; n <= 2000; ++n) store->write(append(event(n)));
        }
        std::stringstream whole;
        whole << std::ifstream(folder.db()).rdbuf();
        content = whole.str().substr(0, whole.str().size() / 2);
        REQUIRE(content.size() > 10'000);
    }
    SUBCASE("a page of it overwritten") {
        {
            const auto store = open(folder);
            for (std::uint64_t n = 1; n <= 2000; ++n) store->write(append(event(n)));
        }
        std::stringstream whole;
        whole << std::ifstream(folder.db()).rdbuf();
        content = whole.str();
        for (std::size_t at = 4096; at < content.size(); ++at) content[at] = '\xa5';
    }
    std::ofstream(folder.db()) << content;
    std::ofstream(folder.db().string() + "-wal") << "a log";
    const auto store = open(folder);
    CHECK_MESSAGE(contains(store->notice(), "cannot be used"), store->notice());
    CHECK(store->load().events.empty());
    const auto aside = folder.set_aside();
    REQUIRE(aside.size() == 1);
    CHECK(contains(store->notice(), aside[0].string()));
    std::stringstream kept;
    kept << std::ifstream(aside[0]).rdbuf();
    CHECK(kept.str() == content);

    store->write(intention("web", 0, Wanted::Stopped));
    REQUIRE(flushed(*store) == "");
    CHECK(open(folder)->load().intentions.size() == 1);
}

TEST_CASE("what is no file is set aside too") {
    const Folder folder;
    fs::create_directories(folder.db() / "a folder");
    const auto store = open(folder);
    CHECK(contains(store->notice(), "not a file"));
    REQUIRE(folder.set_aside().size() == 1);
    CHECK(fs::exists(folder.set_aside()[0] / "a folder"));
}

TEST_CASE("an empty file is filled, and said") {
    const Folder folder;
    fs::create_directory(folder.state());
    std::ofstream(folder.db()).flush();
    const auto store = open(folder);
    CHECK(contains(store->notice(), "was empty"));
    CHECK(folder.set_aside().empty());
}

TEST_CASE("a database of the first version is carried over with all that it holds") {
    const Folder folder;
    fs::create_directory(folder.state());
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(folder.db().c_str(), &db) == SQLITE_OK);
    const std::string first = std::string(schema_steps.front()) +
                              "INSERT INTO intentions VALUES ('web', 0, 'stopped');"
                              "INSERT INTO runs VALUES (7, 'web', 1, 4242, 30001, 5000);"
                              "INSERT INTO numbers VALUES ('next_run', 900);";
    REQUIRE(sqlite3_exec(db, first.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    RunRecord run;
    run.run = 7;
    run.instance = "web";
    run.replica = 1;
    run.pid = 4242;
    run.port = 30001;
    run.started_at = WallTime(Duration(5000));
    for (int opened = 0; opened < 2; ++opened) {
        const auto store = open(folder);
        CHECK(store->notice().empty());
        const StoredState state = store->load();
        CHECK(state.intentions == std::vector<Intention>{{"web", 0, Wanted::Stopped}});
        CHECK(state.next_run == 900);
        CHECK(state.runs == std::vector<RunRecord>{run});
        run.log_name = "web:1";
        StoreWrite write;
        write.kind = StoreWrite::Kind::RunStarted;
        write.run = run;
        store->write(write);
    }
}

TEST_CASE("a newer or somebody else's database is set aside, not touched") {
    const Folder folder;
    const char* change = nullptr;
    const char* reason = nullptr;
    SUBCASE("newer") {
        change = "PRAGMA user_version = 99";
        reason = "newer pmctl (schema 99";
    }
    SUBCASE("somebody else's") {
        change = "PRAGMA application_id = 7";
        reason = "not one of pmctl";
    }
    SUBCASE("ours, without a version") {
        change = "PRAGMA user_version = 0";
        reason = "not one of pmctl";
    }
    open(folder);
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(folder.db().c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, change, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    const auto store = open(folder);
    CHECK_MESSAGE(contains(store->notice(), reason), store->notice());
    CHECK(folder.set_aside().size() == 1);
}

TEST_CASE("two databases damaged in the same second are both kept") {
    const Folder folder;
    fs::create_directory(folder.state());
    for (int i = 0; i < 3; ++i) {
        std::ofstream(folder.db()) << "damaged";
        fs::remove(folder.db().string() + "-wal");
        open(folder);
    }
    CHECK(folder.set_aside().size() == 3);
}

TEST_CASE("folder and file are the owner's alone, whatever the umask") {
    const Folder folder;
    const mode_t before = ::umask(0);
    const auto store = open(folder);
    ::umask(before);
    struct stat found{};
    REQUIRE(::stat(folder.state().c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0700);
    for (const char* suffix : {"", "-wal", "-shm"}) {
        REQUIRE(::stat((folder.db().string() + suffix).c_str(), &found) == 0);
        CHECK((found.st_mode & 0777) == 0600);
    }
}

TEST_CASE("a folder that cannot be used is an error that names it") {
    const Folder folder;
    SUBCASE("a file is in the way") {
        std::ofstream(folder.state()) << "x";
        const auto store = StateStore::open(folder.state(), nullptr);
        REQUIRE(!store.has_value());
        CHECK(contains(store.error().message, folder.state()));
        CHECK(contains(store.error().message, "Not a directory"));
    }
    SUBCASE("of another user") {
        if (::getuid() != 0) return;  // root alone can be another user
        fs::create_directory(folder.state());
        fs::permissions(folder.path, fs::perms::all);
        fs::permissions(folder.state(), fs::perms(0755));
        CHECK(in_child([&] {
                  if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
                  const auto store = StateStore::open(folder.state(), nullptr);
                  return !store && contains(store.error().message, "Permission denied") ? 0 : 2;
              }) == 0);
        CHECK(fs::is_empty(folder.state()));
    }
}
