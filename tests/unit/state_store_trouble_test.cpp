#include "tests/unit/state_store_fixture.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <fstream>
#include <future>
#include <utility>

using namespace pmctl;

TEST_CASE("while a file cannot grow, writes wait; then all are stored, and each change is said once") {
    const Folder folder;
    Troubles troubles;
    StoreLimits limits;
    limits.retry_first = std::chrono::milliseconds(1);
    limits.recent_events = 100'000;
    rlimit unlimited{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    {
        const auto store = open(folder, limits, troubles.hear());
        store->write(append(event(1)));
        REQUIRE(flushed(*store) == "");
        const rlimit tight{4096, unlimited.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
        store->write(intention("web", 0, Wanted::Stopped));
        const auto flushed = store->flush(cap);
        for (std::uint64_t n = 2; n <= 1500; ++n) store->write(append(event(n)));
        const bool said = troubles.wait_for(1);
        ::setrlimit(RLIMIT_FSIZE, &unlimited);
        CHECK(!flushed.has_value());
        CHECK(said);
        CHECK(troubles.wait_for(2));
        CHECK(store->flush(cap).has_value());
        const std::lock_guard lock(troubles.mutex);
        REQUIRE(troubles.said.size() == 2);
        CHECK(contains(troubles.said[0], "waits in memory"));
        CHECK(contains(troubles.said[1], "can be written again"));
    }
    const StoredState state = open(folder, limits)->load();
    CHECK(state.intentions.size() == 1);
    REQUIRE(state.events.size() == 1500);
    for (std::uint64_t n = 1; n <= 1500; ++n) REQUIRE(state.events[n - 1] == event(n));
}

TEST_CASE("a queue that is full loses its oldest events, never an intention or a run that lives") {
    const Folder folder;
    Troubles troubles;
    StoreLimits limits;
    limits.retry_first = std::chrono::milliseconds(1);
    limits.queued_writes = 100;
    rlimit unlimited{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    {
        const auto store = open(folder, limits, troubles.hear());
        const rlimit tight{4096, unlimited.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
        store->write(intention("first", 0, Wanted::Stopped));
        const bool said = troubles.wait_for(1);
        for (std::uint64_t n = 1; n <= 1000; ++n) store->write(append(event(n)));
        for (RunNumber n = 1; n <= 1000; ++n) {
            store->write(started(n, "web"));
            store->write(ended(n));
        }
        store->write(started(1001, "alive"));
        for (std::uint32_t n = 0; n < 90; ++n) store->write(intention("web", n, Wanted::Stopped));
        ::setrlimit(RLIMIT_FSIZE, &unlimited);
        CHECK(said);
        CHECK(troubles.wait_for(2));
        CHECK(store->flush(cap).has_value());
        const std::lock_guard lock(troubles.mutex);
        CHECK_MESSAGE(contains(troubles.said[1], "oldest events were dropped"), troubles.said[1]);
    }
    const StoredState state = open(folder)->load();
    CHECK(state.intentions.size() == 91);
    REQUIRE(state.runs.size() == 1);
    CHECK(state.runs[0].instance == "alive");
    CHECK(state.next_run == 1002);
}

TEST_CASE("a full disk loses nothing once there is room again") {
    const Folder folder;
    const int outcome = in_child([&] {
        // A mount of its own, gone with this child.
        fs::create_directory(folder.path / "disk");
        const std::string disk = (folder.path / "disk").string();
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0)
            return 77;
        Troubles troubles;
        StoreLimits limits;
        limits.retry_first = std::chrono::milliseconds(1);
        limits.recent_events = 100'000;
        {
            auto store = StateStore::open(disk + "/state", troubles.hear(), limits);
            if (!store) return 2;
            {
                std::ofstream filler(disk + "/filler");
                const std::string block(4096, 'x');
                while (filler.write(block.data(), 4096).flush()) {
                }
            }
            for (std::uint64_t n = 1; n <= 2000; ++n) (*store)->write(append(event(n)));
            if (!troubles.wait_for(1)) return 3;
            fs::remove(disk + "/filler");
            if (!troubles.wait_for(2)) return 4;
            if (!(*store)->flush(cap)) return 5;
            if (!contains(troubles.said[0], "full")) return 6;
        }
        auto again = StateStore::open(disk + "/state", nullptr, limits);
        return again && (*again)->load().events.size() == 2000 ? 0 : 7;
    });
    CHECK((outcome == 0 || outcome == 77));
    if (outcome == 77) MESSAGE("no mount allowed here: the test of the file size limit stands in");
}

TEST_CASE("who asks when an attempt has begun is told of the next one, which comes at once") {
    const Folder folder;
    StoreLimits limits;
    limits.retry_first = std::chrono::hours(1);
    rlimit unlimited{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    bool works_again = false;
    SUBCASE("and stores it") {
        works_again = true;
    }
    SUBCASE("and fails, too") {}
    std::promise<Result<void>> told;
    bool has_failed = false;
    std::unique_ptr<StateStore> store;
    // Called on the writer's thread, between the first attempt that fails and the telling.
    store = open(folder, limits, [&](const std::string&) {
        if (std::exchange(has_failed, true)) return;
        if (works_again) ::setrlimit(RLIMIT_FSIZE, &unlimited);
        store->write(intention("db", 0, Wanted::Stopped));
        store->tell_when_stored([&](Result<void> outcome) { told.set_value(std::move(outcome)); });
    });
    const rlimit tight{4096, unlimited.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
    store->write(intention("web", 0, Wanted::Stopped));
    auto outcome = told.get_future();
    const bool is_told = outcome.wait_for(cap) == std::future_status::ready;
    ::setrlimit(RLIMIT_FSIZE, &unlimited);
    REQUIRE(is_told);
    CHECK(outcome.get().has_value() == works_again);
    store.reset();
    CHECK(open(folder)->load().intentions.size() == 2);
}

TEST_CASE("what cannot be stored at the end is said") {
    const Folder folder;
    Troubles troubles;
    rlimit unlimited{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    auto store = open(folder, {}, troubles.hear());
    const rlimit tight{4096, unlimited.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
    store->write(intention("web", 0, Wanted::Stopped));
    store.reset();
    ::setrlimit(RLIMIT_FSIZE, &unlimited);
    REQUIRE(troubles.said.size() == 2);
    CHECK(contains(troubles.said[1], "1 changes were not stored"));
}
