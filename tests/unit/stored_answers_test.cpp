#include "supervisor/io/stored_answers.hpp"

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <boost/asio/steady_timer.hpp>
#include <vector>

#include "tests/unit/event_wait.hpp"
#include "tests/unit/state_store_fixture.hpp"

using namespace pmctl;

namespace {

struct Told {
    std::uint64_t number;
    std::string trouble;
};

// A store whose answers are told to a list.
struct World {
    explicit World(Duration how_long = cap) : patience(how_long) {}
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World() { store.reset(); }  // first, as its thread may still tell of what waits

    Duration patience;
    Folder folder;
    test::TestLoop test;
    std::unique_ptr<StateStore> store = open(folder);
    std::vector<Told> told;
    StoredAnswers answers{
        test.loop, *store,
        [this](std::uint64_t number, const std::string& trouble) { told.push_back({number, trouble}); },
        patience};

    void stop(const std::string& name) {
        store->write(intention(name, 0, Wanted::Stopped));
        answers.ask();
    }
};

// Another one that writes: whoever else wants to waits, as for a disk that is slow.
class SlowDisk {
  public:
    explicit SlowDisk(const Folder& folder) {
        REQUIRE(::sqlite3_open(folder.db().c_str(), &db_) == SQLITE_OK);
        REQUIRE(::sqlite3_exec(db_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
    }
    SlowDisk(const SlowDisk&) = delete;
    SlowDisk& operator=(const SlowDisk&) = delete;
    ~SlowDisk() { ::sqlite3_close(db_); }
    void is_done() { REQUIRE(::sqlite3_exec(db_, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK); }

  private:
    sqlite3* db_ = nullptr;
};

}  // namespace

TEST_CASE("where nothing is to be stored an answer goes at once") {
    World world;
    world.answers.ask();
    CHECK(world.answers.released() == 1);
    REQUIRE(world.told.size() == 1);
    CHECK(world.told[0].trouble.empty());
}

TEST_CASE("answers wait for a slow disk, and the loop does not") {
    World world;
    SlowDisk disk(world.folder);
    world.stop("web");
    world.stop("db");
    CHECK(world.answers.asked() == 2);
    int turns = 0;
    REQUIRE(world.test.until([&] { return ++turns > 10; }));
    CHECK(world.answers.released() == 0);

    disk.is_done();
    REQUIRE(world.test.until([&] { return world.answers.released() == 2; }));
    for (const Told& each : world.told) CHECK(each.trouble == "");
    CHECK(world.told.back().number == 2);
    world.store.reset();
    CHECK(open(world.folder)->load().intentions.size() == 2);
}

TEST_CASE("an answer goes all the same where the disk takes nothing, and it is said why") {
    World world;
    rlimit unlimited{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    const rlimit tight{4096, unlimited.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
    world.stop("web");
    const bool released = world.test.until([&] { return world.answers.released() == 1; });
    ::setrlimit(RLIMIT_FSIZE, &unlimited);
    REQUIRE(released);
    CHECK(contains(world.told.back().trouble, "state.db"));
    // It is stored when that works again, and later answers wait for that.
    world.stop("db");
    REQUIRE(world.test.until([&] { return world.answers.released() == 2; }));
    CHECK(world.told.back().trouble == "");
    world.store.reset();
    CHECK(open(world.folder)->load().intentions.size() == 2);
}

TEST_CASE("an answer goes all the same where the disk takes too long") {
    World world(std::chrono::milliseconds(1));
    const SlowDisk disk(world.folder);
    world.stop("web");
    REQUIRE(world.test.until([&] { return world.answers.released() == 1; }));
    CHECK(world.told.back().trouble == "the disk takes longer than 1ms");
}

TEST_CASE("each answer waits its own time, whatever becomes of earlier ones") {
    constexpr auto patience = std::chrono::milliseconds(60);
    World world(patience);
    const SlowDisk disk(world.folder);
    world.stop("web");
    const TimePoint half = Loop::now().steady + patience / 2;
    REQUIRE(world.test.until([&] { return Loop::now().steady >= half; }));
    const TimePoint second_asked = Loop::now().steady;
    world.stop("db");
    // Behind the second's, so it is called behind it, however slow this machine is.
    boost::asio::steady_timer end(world.test.loop.context(), Loop::now().steady + patience);
    std::uint64_t released_at_end = 0;
    bool ended = false;
    end.async_wait([&](const boost::system::error_code&) {
        released_at_end = world.answers.released();
        ended = true;
    });
    REQUIRE(world.test.until([&] { return world.answers.released() == 2; }));
    CHECK(Loop::now().steady >= second_asked + patience);  // not with the first
    REQUIRE(world.test.until([&] { return ended; }));
    CHECK(released_at_end == 2);  // nor a whole time after it
    for (const Told& each : world.told) CHECK_FALSE(each.trouble.empty());
}

TEST_CASE("at the end those that wait are stored and told") {
    World world;
    world.stop("web");
    world.answers.settle();
    CHECK(world.answers.released() == 1);
    // Its message, which may be on its way, tells nothing anew.
    CHECK(world.store->flush(cap));
    int turns = 0;
    REQUIRE(world.test.until([&] { return ++turns > 10; }));
    CHECK(world.told.size() == 1);
    world.answers.settle();
    CHECK(world.told.size() == 1);
}
