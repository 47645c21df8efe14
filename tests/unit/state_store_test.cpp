#include "tests/unit/state_store_fixture.hpp"

#include <sys/stat.h>
#include <csignal>

using namespace pmctl;

TEST_CASE("what was written is there at the next open, in its order") {
    const Folder folder;
    {
        const auto store = open(folder);
        CHECK(store->notice().empty());
        const StoredState fresh = store->load();
        CHECK(fresh.intentions.empty());
        CHECK(fresh.next_run == 1);
        CHECK(fresh.last_event == 0);
        store->write(intention("web", 0, Wanted::Stopped));
        store->write(intention("web", 0, Wanted::Running));
        store->write(intention("web", 1, Wanted::Running));
        store->write(intention("web", 1, Wanted::Stopped));
        store->write(scale("web", 3));
        store->write(scale("api", 2));
        store->write(started(7, "web"));
        store->write(started(8, "api"));
        store->write(started(9, "web"));
        store->write(ended(9));
        store->write(append({1, WallTime(Duration(1'700'000'000'123'456'789)), "läden\n", "state",
                             std::string("with a \0 in it", 14)}));
        store->write(append(event(2, "")));
        REQUIRE(flushed(*store) == "");
    }
    const StoredState state = open(folder)->load();
    REQUIRE(state.intentions.size() == 2);
    CHECK(state.intentions[0] == Intention{"web", 0, Wanted::Running});
    CHECK(state.intentions[1] == Intention{"web", 1, Wanted::Stopped});
    CHECK(state.scales == std::map<std::string, std::uint32_t>{{"api", 2}, {"web", 3}});
    REQUIRE(state.runs.size() == 2);
    CHECK(state.runs[0].run == 7);
    CHECK(state.runs[1].instance == "api");
    CHECK(state.runs[1].replica == 1);
    CHECK(state.runs[1].pid == 4242);
    CHECK(state.runs[1].port == 30001);
    CHECK(state.runs[1].started_at == WallTime(std::chrono::milliseconds(1234567)));
    CHECK(state.next_run == 10);  // 9 was used, though it ended
    CHECK(state.last_event == 2);
    REQUIRE(state.events.size() == 2);
    CHECK(state.events[0] == Event{1, WallTime(Duration(1'700'000'000'123'456'789)), "läden\n", "state",
                                   std::string("with a \0 in it", 14)});
    CHECK(state.events[1] == event(2, ""));
}

TEST_CASE("an intention is readable by another process once flush has returned") {
    const Folder folder;
    const auto store = open(folder);
    store->write(intention("web", 0, Wanted::Stopped));
    REQUIRE(flushed(*store) == "");
    const auto second = open(folder);
    CHECK(second->load().intentions.size() == 1);
    CHECK(store->flush(Duration::zero()).has_value());  // nothing queued: no wait
}

TEST_CASE("forgetting an instance leaves the others; clearing scales leaves the intentions") {
    const Folder folder;
    {
        const auto store = open(folder);
        for (const char* id : {"web", "api"}) {
            store->write(intention(id, 0, Wanted::Stopped));
            store->write(scale(id, 2));
        }
        store->write(started(1, "web"));
        store->write(started(2, "api"));
        store->write(only(StoreWrite::Kind::ForgetInstance, "web"));
    }
    {
        const auto store = open(folder);
        const StoredState state = store->load();
        CHECK(state.intentions == std::vector<Intention>{{"api", 0, Wanted::Stopped}});
        CHECK(state.scales.size() == 1);
        REQUIRE(state.runs.size() == 1);
        CHECK(state.runs[0].instance == "api");
        store->write(only(StoreWrite::Kind::ClearScales));
    }
    const StoredState state = open(folder)->load();
    CHECK(state.scales.empty());
    CHECK(state.intentions.size() == 1);
}

TEST_CASE("all that is known of a run is kept, and what becomes of it, in order") {
    const Folder folder;
    RunRecord run;
    run.run = 7;
    run.instance = "web";
    run.replica = 2;
    run.pid = 4242;
    run.port = 30001;
    run.started_at = WallTime(std::chrono::milliseconds(1234567));
    run.fingerprint = "0123456789abcdef";
    run.role = RunRole::Candidate;
    run.restarts = std::uint64_t{1} << 40;
    run.failures = 3;
    run.log_name = "web:2";
    run.start_ticks = 987654321;
    run.boot_id = "f3a9";
    run.listening = true;
    run.cgroup = "/sys/fs/cgroup/x/run-web:2-7";
    StoreWrite write;
    write.kind = StoreWrite::Kind::RunStarted;
    write.run = run;
    StoreWrite change = write;
    change.kind = StoreWrite::Kind::RunChanged;
    change.run.role = RunRole::Current;
    change.run.failures = 0;
    change.run.was_healthy = true;
    change.run.pid = 1;  // stays as it is
    {
        const auto store = open(folder);
        store->write(write);
    }
    {
        const auto store = open(folder);
        CHECK(store->load().runs == std::vector<RunRecord>{run});
        store->write(change);
        change.run.run = 8;  // unknown, or ended: not made anew
        store->write(change);
    }
    run.role = RunRole::Current;
    run.failures = 0;
    run.was_healthy = true;
    {
        const auto store = open(folder);
        CHECK(store->load().runs == std::vector<RunRecord>{run});
        store->write(ended(7));
        change.run.run = 7;
        store->write(change);
    }
    CHECK(open(folder)->load().runs.empty());
}

TEST_CASE("the next run number never goes back") {
    const Folder folder;
    {
        const auto store = open(folder);
        StoreWrite number = only(StoreWrite::Kind::SetNextRun);
        number.number = 5000;
        store->write(number);
        store->write(started(17, "web"));
        store->write(ended(17));
    }
    CHECK(open(folder)->load().next_run == 5000);
}

TEST_CASE("events are found by name, before and after a number, and the recent ones are loaded") {
    const Folder folder;
    StoreLimits limits;
    limits.recent_events = 10;
    {
        const auto store = open(folder, limits);
        for (std::uint64_t n = 1; n <= 2000; ++n)
            store->write(append(event(n, n % 100 == 0 ? "rare" : "web")));
        REQUIRE(flushed(*store) == "");
        const auto before = store->events_before("rare", 1000, 3);
        REQUIRE(before.has_value());
        REQUIRE(before->size() == 3);
        CHECK(before->front() == event(700, "rare"));
        CHECK(before->back() == event(900, "rare"));
        const auto after = store->events_after("", 1998, 10);
        REQUIRE(after.has_value());
        REQUIRE(after->size() == 2);
        CHECK(after->front() == event(1999));
        CHECK(store->events_after("rare", 0, 2).value().back() == event(200, "rare"));
        CHECK(store->events_before("nobody", UINT64_MAX, 5).value().empty());
    }
    const StoredState state = open(folder, limits)->load();
    REQUIRE(state.events.size() == 10);
    CHECK(state.events.front() == event(1991));
    CHECK(state.last_event == 2000);
}

TEST_CASE("old events are pruned, the newest kept") {
    const Folder folder;
    StoreLimits limits;
    limits.kept_events = 3000;
    limits.recent_events = 100'000;
    {
        const auto store = open(folder, limits);
        for (std::uint64_t n = 1; n <= 20'000; ++n) store->write(append(event(n)));
    }
    const StoredState state = open(folder, limits)->load();
    CHECK(state.events.size() >= 3000);
    CHECK(state.events.size() < 3000 + 4096 + 512);
    CHECK(state.events.back() == event(20'000));
}

TEST_CASE("the writer's thread takes no signal") {
    const Folder folder;
    const auto store = open(folder);
    // Blocked here, a signal to the process would go to any thread that takes it, and end the test.
    sigset_t one;
    sigset_t before;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    REQUIRE(::pthread_sigmask(SIG_BLOCK, &one, &before) == 0);
    REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
    store->write(append(event(1)));
    CHECK(store->flush(cap).has_value());
    sigset_t pending;
    REQUIRE(::sigpending(&pending) == 0);
    CHECK(sigismember(&pending, SIGUSR1) == 1);
    timespec none{};
    CHECK(::sigtimedwait(&one, nullptr, &none) == SIGUSR1);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}
