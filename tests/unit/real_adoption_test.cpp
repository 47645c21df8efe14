// Two supervisors after one another, as far as io goes: what the first one leaves when it is killed, and how
// the second one goes on with it.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "supervisor/io/pidfd.hpp"
#include "supervisor/io/real_effects.hpp"
#include "supervisor/supervisor.hpp"
#include "tests/unit/event_wait.hpp"
#include "tests/unit/leftovers.hpp"
#include "tests/unit/orphanage.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

struct Supervision {
    Loop loop{[](const std::string& bug) { throw std::logic_error(bug); }};
    std::unique_ptr<RealEffects> effects;
    std::unique_ptr<Supervisor> supervisor;

    explicit Supervision(const std::string& folder) {
        Config config;
        config.supervisor.runtime_dir = folder + "/run";
        config.supervisor.state_dir = folder + "/state";
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        effects = RealEffects::make(loop, config, {}, {limit, {}}).value();
        supervisor = std::make_unique<Supervisor>(*effects, Environment{}, Inheritance{});
        effects->serve(*supervisor, {[] {}, [] {}, [] {}});
    }

    // The one wake-up of the loop is the Supervisor's here.
    bool until(const std::function<bool()>& reached) {
        const TimePoint end = Loop::now().steady + cap;
        while (!reached() && Loop::now().steady < end) {
            loop.context().run_for(std::chrono::milliseconds(2));
            loop.context().restart();
        }
        return reached();
    }
};

SpawnRequest request_of(RunNumber run, const std::string& script) {
    auto wanted = request({"/bin/sh", "-c", script}, run);
    wanted.log_name = "web:" + std::to_string(run);
    wanted.port = static_cast<std::uint16_t>(30000 + run);
    wanted.fingerprint = "0123456789abcdef";
    return wanted;
}

StoreWrite started(RunNumber run, int pid) {
    StoreWrite write;
    write.kind = StoreWrite::Kind::RunStarted;
    write.run.run = run;
    write.run.instance = "web";
    write.run.pid = pid;
    write.run.port = static_cast<std::uint16_t>(30000 + run);
    return write;
}

// A supervisor that starts these, stores the first `stored` of them, and is killed.
void run_and_kill(const std::string& folder, const std::vector<SpawnRequest>& requests, std::size_t stored) {
    std::array<int, 2> ready{};
    REQUIRE(::pipe2(ready.data(), O_CLOEXEC) == 0);
    const pid_t first = ::fork();
    REQUIRE(first >= 0);
    if (first == 0) {
        const Supervision earlier(folder);
        const auto outcomes = earlier.effects->spawn(requests);
        for (std::size_t i = 0; i < stored; ++i) {
            if (!outcomes[i]) ::_exit(1);
            earlier.effects->store(started(requests[i].run, *outcomes[i]));
        }
        if (!earlier.effects->state().flush(cap)) ::_exit(1);
        if (::write(ready[1], "r", 1) == 1) ::pause();
        ::_exit(1);
    }
    ::close(ready[1]);
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    ::close(ready[0]);
    ::kill(first, SIGKILL);
    REQUIRE(::waitpid(first, nullptr, 0) == first);
}

std::string text_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

struct World {
    TempFolder folder;
    Told told;
    // A supervisor of the test before has made this process one that orphans are given to.
    World() { ::prctl(PR_SET_CHILD_SUBREAPER, 0); }
    ~World() { end_leftovers({}, folder.path + "/state"); }
};

}  // namespace

TEST_CASE("the next supervisor goes on with the runs, the logs and the records of one that was killed") {
    World world;
    const Told gate;
    const std::string talk = "echo before; echo there > " + world.told.path + "; read go < " + gate.path +
                             "; echo between; echo said > " + world.told.path +
                             "; while :; do sleep 1000; done";
    run_and_kill(world.folder.path, {request_of(1, talk), request_of(2, "exec sleep 1000")}, 1);
    REQUIRE(world.told.line() == "there");
    gate.say("go");
    REQUIRE(world.told.line() == "said");

    Supervision next(world.folder.path);
    RealEffects& effects = *next.effects;
    const StoredState state = effects.state().load();
    REQUIRE(state.runs.size() == 1);
    const RunRecord& stored = state.runs[0];
    CHECK(stored.log_name == "web:1");
    CHECK(stored.fingerprint == "0123456789abcdef");
    CHECK(stored.boot_id == boot_id());
    CHECK(stored.start_ticks == read_proc_stat(stored.pid).value().start_ticks);
    CHECK_FALSE(stored.listening);

    const auto found = effects.find_runs(state.runs);
    REQUIRE(found);
    CHECK(found->killed.empty());
    REQUIRE(found->runs.size() == 2);
    for (const FoundRun& run : found->runs) CHECK(run.state == FoundRun::State::Alive);
    CHECK(found->runs[0].is_stored);
    CHECK(found->runs[0].record == stored);
    CHECK_FALSE(found->runs[1].is_stored);
    CHECK(found->runs[1].record.port == 30002);

    CHECK_FALSE(effects.adopt(3));
    for (const RunNumber run : {1, 2}) REQUIRE(effects.adopt(run));
    CHECK_FALSE(effects.adopt(1));
    const std::string log = effects.log_path("web:1");
    CHECK(next.until([&] { return text_of(log).find("between") != std::string::npos; }));
    CHECK(text_of(log).find("before") != std::string::npos);

    // What the store did not know is completed when it is told.
    effects.store(started(2, found->runs[1].record.pid));
    REQUIRE(effects.state().flush(cap));
    for (const FoundRun& run : found->runs) {
        const Descriptor pidfd = open_pidfd(run.record.pid);
        effects.signal(run.record.run, SIGTERM);
        CHECK(next.until([&] { return has_ended(pidfd.get()); }));
    }
}

TEST_CASE("a store that is damaged or gone costs no run: their tags tell of them") {
    World world;
    const std::string path = world.folder.path + "/state/state.db";
    run_and_kill(world.folder.path, {request_of(41, "exec sleep 1000"), request_of(42, "exec sleep 1000")},
                 2);
    SUBCASE("damaged") {
        std::ofstream(path, std::ios::binary | std::ios::trunc) << "this is no database, but once was one";
        std::filesystem::remove(path + "-wal");
    }
    SUBCASE("gone") {
        for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
    }
    Supervision next(world.folder.path);
    RealEffects& effects = *next.effects;
    const StoredState state = effects.state().load();
    CHECK(state.runs.empty());
    const auto found = effects.find_runs(state.runs);
    REQUIRE(found);
    CHECK(found->next_run == 43);
    CHECK(found->killed.empty());
    REQUIRE(found->runs.size() == 2);
    for (const FoundRun& run : found->runs) {
        CHECK(run.state == FoundRun::State::Alive);
        CHECK(run.record.log_name == "web:" + std::to_string(run.record.run));
        REQUIRE(effects.adopt(run.record.run));
        StoreWrite write;
        write.kind = StoreWrite::Kind::RunStarted;
        write.run = run.record;
        effects.store(write);
    }
    REQUIRE(effects.state().flush(cap));
    const auto again = StateStore::open(world.folder.path + "/state", nullptr);
    REQUIRE(again);
    const auto stored = (*again)->load().runs;
    REQUIRE(stored.size() == 2);
    for (const FoundRun& run : found->runs) CHECK(std::ranges::find(stored, run.record) != stored.end());
}

TEST_CASE("a listening socket is kept over the supervisor's death") {
    World world;
    auto wanted = request_of(1, "exec sleep 1000");
    Listeners probe;
    std::uint16_t port = 0;
    for (int i = 0; port == 0 && i < 50; ++i) {
        const auto tried = static_cast<std::uint16_t>(18000 + (::getpid() * 7 + i) % 1000);
        if (probe.open(tried)) port = tried;
    }
    REQUIRE(port != 0);
    probe.close(port);
    wanted.port = port;
    wanted.listen_port = port;
    run_and_kill(world.folder.path, {wanted}, 1);

    Supervision next(world.folder.path);
    RealEffects& effects = *next.effects;
    StoredState state = effects.state().load();
    REQUIRE(state.runs.size() == 1);
    CHECK(state.runs[0].listening);
    state.runs[0].port = port;
    const auto found = effects.find_runs(state.runs);
    REQUIRE(found);
    REQUIRE(effects.adopt(1));
    // A next run on that port is given the same socket: nobody could bind it anew.
    CHECK(effects.port_state(port) == PortState::Taken);
    wanted.run = 2;
    const auto second = effects.spawn({wanted});
    REQUIRE(second.size() == 1);
    CHECK(second[0].has_value());
}

TEST_CASE("what is left of a run that has ended is killed, and its last lines are kept") {
    World world;
    const std::string script =
        "echo last words; (setsid sh -c 'echo $$ > " + world.told.path + "; sleep 1000; true' &); exit 3";
    run_and_kill(world.folder.path, {request_of(1, script)}, 1);
    const pid_t daemon = world.told.pid();
    Supervision next(world.folder.path);
    RealEffects& effects = *next.effects;
    const StoredState state = effects.state().load();
    REQUIRE(state.runs.size() == 1);
    // It told of its child before it ended.
    const Descriptor leader = open_pidfd(state.runs[0].pid);
    REQUIRE((!leader || has_ended(leader.get(), cap)));
    const auto found = effects.find_runs(state.runs);
    REQUIRE(found);
    REQUIRE(found->runs.size() == 1);
    CHECK(found->runs[0].state == FoundRun::State::Ended);
    REQUIRE(!found->killed.empty());
    CHECK(found->killed[0].find("left by a run that has ended") != std::string::npos);
    const Descriptor pidfd = open_pidfd(daemon);
    CHECK((!pidfd || has_ended(pidfd.get())));
    CHECK_FALSE(effects.adopt(1));
    effects.collect_logs("web:1");
    CHECK(text_of(effects.log_path("web:1")).find("last words") != std::string::npos);
}
