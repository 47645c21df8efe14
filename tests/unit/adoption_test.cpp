#include "supervisor/io/adoption.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>

#include "supervisor/io/pidfd.hpp"
#include "supervisor/io/proc_files.hpp"
#include "tests/unit/event_wait.hpp"
#include "tests/unit/leftovers.hpp"
#include "tests/unit/orphanage.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

using State = FoundRun::State;

struct World {
    std::string scope = own_scope();
    Orphanage others{scope};
    Told told;
    std::vector<pid_t> started;

    ~World() {
        for (const pid_t pid : started) ::kill(-pid, SIGKILL);
        end_leftovers({}, scope);
    }
    // What the store has of it.
    RunRecord start(RunNumber run, const std::string& script, Orphanage& where) {
        RunRecord record;
        record.run = run;
        record.instance = "shop";
        record.replica = 3;
        record.pid = where.start(run, script);
        REQUIRE(record.pid > 1);
        started.push_back(record.pid);
        record.restarts = 5;
        record.start_ticks = read_proc_stat(record.pid).value().start_ticks;
        record.boot_id = boot_id();
        return record;
    }
    RunRecord start(RunNumber run, const std::string& script) { return start(run, script, others); }
    Findings find(const std::vector<RunRecord>& stored) const { return find_runs(stored, scope).value(); }
};

// For a script that goes on for good, and does not become another program.
// One process alone, whose environment is its own when it has said so.
std::string says_here(const Told& told) {
    return "echo here > " + told.path + "; exec sleep 1000";
}

std::string told_to(const Told& told, const std::string& script) {
    return script + " > " + told.path + "; while :; do sleep 1000; done";
}

void wait_for_end(pid_t pid) {
    const Descriptor pidfd = open_pidfd(pid);
    if (pidfd) REQUIRE(has_ended(pidfd.get(), cap));
}

bool lives(pid_t pid) {
    const Descriptor pidfd = open_pidfd(pid);
    return pidfd && !has_ended(pidfd.get());
}

std::vector<pid_t> pids(const std::vector<Remnant>& remnants) {
    std::vector<pid_t> found;
    for (const Remnant& each : remnants) found.push_back(each.pid);
    std::ranges::sort(found);
    return found;
}

}  // namespace

TEST_CASE("a stored run that lives is found with all that is stored of it") {
    World world;
    const RunRecord stored = world.start(4, told_to(world.told, "echo here"));
    CHECK(world.told.line() == "here");
    const Findings found = world.find({stored});
    REQUIRE(found.runs.size() == 1);
    const auto& [run, pidfd] = found.runs[0];
    CHECK(run.state == State::Alive);
    CHECK(run.is_stored);
    CHECK(run.record.restarts == 5);
    CHECK(run.record.instance == "shop");
    // What an older record lacks comes from the tag.
    CHECK(run.record.log_name == "shop:4");
    CHECK(run.record.fingerprint == "0123456789abcdef");
    CHECK(run.age < std::chrono::minutes(5));
    CHECK_FALSE(has_ended(pidfd.get()));
    CHECK(found.remnants.empty());
}

TEST_CASE("a stored run whose process has ended is told, with its exit status where the kernel knows it") {
    World world;
    Orphanage lazy(world.scope, Reaping::WhenTold);
    const RunRecord gone = world.start(1, "exec sleep 1000");
    const RunRecord zombie = world.start(2, "exit 6", lazy);
    ::kill(gone.pid, SIGKILL);
    wait_for_end(gone.pid);
    wait_for_end(zombie.pid);
    RunRecord never;
    never.run = 3;
    const Findings found = world.find({gone, zombie, never});
    REQUIRE(found.runs.size() == 3);
    for (const auto& [run, pidfd] : found.runs) {
        CHECK(run.state == State::Ended);
        CHECK_FALSE(pidfd);
    }
    CHECK(found.runs[0].run.status == ExitStatus{});
    CHECK(found.runs[1].run.status == ExitStatus{ExitStatus::Kind::Code, 6});
    CHECK(found.remnants.empty());
}

TEST_CASE("a stranger that was given the number is never taken for the run, nor touched") {
    World world;
    auto spawner = test::spawner("another scope");
    const auto child = spawner.spawn(request({"sleep", "1000"}, 4), {});
    REQUIRE(child);
    ::close(child->pidfd);
    world.started.push_back(child->pid);
    RunRecord stored;
    stored.run = 4;
    stored.pid = child->pid;
    stored.boot_id = boot_id();
    stored.start_ticks = read_proc_stat(child->pid).value().start_ticks;
    SUBCASE("another start") {
        stored.start_ticks -= 1;
    }
    SUBCASE("a record that has no start, and no tag of ours") {
        stored.start_ticks = 0;
    }
    SUBCASE("another run of ours") {
        stored = world.start(5, told_to(world.told, "echo here"));
        stored.run = 4;
        CHECK(world.told.line() == "here");
    }
    const Findings found = world.find({stored});
    CHECK(found.runs.at(0).run.state == State::Ended);
    CHECK(found.runs[0].run.status == ExitStatus{});
    CHECK(found.runs[0].run.note == "pid " + std::to_string(stored.pid) + " is another process now");
    CHECK_FALSE(found.runs[0].pidfd);
    CHECK(found.remnants.empty());
    if (stored.pid != child->pid) {
        REQUIRE(found.runs.size() == 2);  // itself, by its tag
        CHECK(found.runs[1].run.record.run == 5);
        return;
    }
    CHECK(end_leftovers({stored}, world.scope).empty());
    CHECK(lives(child->pid));
}

TEST_CASE("a tag that names its own process is believed, whatever the record says of its start") {
    World world;
    RunRecord stored = world.start(4, says_here(world.told));
    CHECK(world.told.line() == "here");
    stored.start_ticks = stored.start_ticks > 1 ? stored.start_ticks - 1 : 0;
    const Findings found = world.find({stored});
    REQUIRE(found.runs.size() == 1);
    CHECK(found.runs[0].run.state == State::Alive);
    CHECK(found.runs[0].run.record.start_ticks == read_proc_stat(stored.pid).value().start_ticks);
}

TEST_CASE("a record of another boot is nobody's, whoever has its number") {
    World world;
    RunRecord stored = world.start(4, "exec env -i /bin/sleep 1000");
    stored.boot_id = "00000000-0000-0000-0000-000000000000";
    const Findings found = world.find({stored});
    REQUIRE(found.runs.size() == 1);
    CHECK(found.runs[0].run.state == State::Ended);
    CHECK(found.runs[0].run.note == "the machine was started anew");
}

TEST_CASE("a run that its tag alone tells of is found, with all that adopting it needs") {
    World world;
    const RunRecord started = world.start(4, says_here(world.told));
    CHECK(world.told.line() == "here");
    const Findings found = world.find({});
    REQUIRE(found.runs.size() == 1);
    const FoundRun& run = found.runs[0].run;
    CHECK(run.state == State::Alive);
    CHECK_FALSE(run.is_stored);
    CHECK(run.record.run == 4);
    CHECK(run.record.pid == started.pid);
    CHECK(run.record.log_name == "shop:4");
    CHECK(run.record.port == 30004);
    CHECK_FALSE(run.record.listening);
    CHECK(run.record.fingerprint == "0123456789abcdef");
    CHECK(run.record.start_ticks == started.start_ticks);
    CHECK(run.record.boot_id == started.boot_id);
    CHECK(Loop::now().wall - run.record.started_at < std::chrono::minutes(5));
    CHECK(found.runs[0].pidfd);
    // To another supervisor it is nothing.
    CHECK(find_runs({}, world.scope + "/x").value().runs.empty());
}

TEST_CASE("a leader that cleared its environment is known by its record, or by who is in its session") {
    World world;
    const std::string script = "sleep 1000 & echo $! > " + world.told.path + "; exec env -i /bin/sleep 1000";
    const RunRecord stored = world.start(4, script);
    const pid_t member = world.told.pid();
    for (const std::vector<RunRecord>& known : {std::vector<RunRecord>{stored}, std::vector<RunRecord>{}}) {
        const Findings found = world.find(known);
        REQUIRE(found.runs.size() == 1);
        CHECK(found.runs[0].run.state == State::Alive);
        CHECK(found.runs[0].run.record.pid == stored.pid);
        CHECK(found.runs[0].run.record.run == 4);
        CHECK(found.remnants.empty());
    }
    CHECK(lives(member));
}

TEST_CASE("what a leader left is found: in its group, in a session of its own, with no environment") {
    World world;
    const std::string& path = world.told.path;
    const RunRecord stored = world.start(4, "sleep 1000 & echo $! > " + path + "; setsid sh -c 'echo $$ > " +
                                                path + "; exec sleep 1000' & sh -c 'echo $$ > " + path +
                                                "; exec env -i /bin/sleep 1000' & wait");
    std::vector<pid_t> left = {world.told.pid(), world.told.pid(), world.told.pid()};
    std::ranges::sort(left);
    // As long as the leader lives they are its own.
    CHECK(world.find({stored}).remnants.empty());
    ::kill(stored.pid, SIGKILL);
    wait_for_end(stored.pid);
    bool is_stored = true;
    SUBCASE("of a stored run") {}
    SUBCASE("of one that is not stored") {
        is_stored = false;
    }
    const Findings found = world.find(is_stored ? std::vector<RunRecord>{stored} : std::vector<RunRecord>{});
    CHECK(found.runs.size() == (is_stored ? 1 : 0));
    CHECK(pids(found.remnants) == left);
    CHECK(found.remnants.at(0).run == 4);
    CHECK(found.remnants.at(0).log_name == "shop:4");
    end_remnants(found.remnants, cap);
    for (const pid_t pid : left) CHECK_FALSE(lives(pid));
}

TEST_CASE("a check that an earlier supervisor was making is nobody's any longer") {
    World world;
    const RunRecord run = world.start(4, "exec sleep 1000");
    const RunRecord check = world.start(0, says_here(world.told));
    CHECK(world.told.line() == "here");
    const Findings found = world.find({run});
    CHECK(found.runs.size() == 1);
    CHECK(pids(found.remnants) == std::vector<pid_t>{check.pid});
}

TEST_CASE("where descriptors have run out a run is unclear, not ended, and is left alone") {
    World world;
    const RunRecord stored = world.start(4, told_to(world.told, "echo here"));
    CHECK(world.told.line() == "here");
    rlim_t left = 0;
    SUBCASE("none is left") {}
    SUBCASE("one is left") {
        left = 1;
    }
    const pid_t other = ::fork();
    REQUIRE(other >= 0);
    if (other == 0) {
        const int lowest = ::dup(0);
        const rlim_t limit = static_cast<rlim_t>(lowest) + left;
        ::close(lowest);
        const rlimit few{limit, limit};
        ::setrlimit(RLIMIT_NOFILE, &few);
        const auto found = find_runs({stored}, world.scope);
        if (left == 0) ::_exit(!found && found.error().message == "'/proc': Too many open files" ? 7 : 1);
        if (!found || found->runs.size() != 1) ::_exit(2);
        const FoundRun& run = found->runs[0].run;
        const bool is_said = run.note == "'/proc/" + std::to_string(stored.pid) + "/stat' cannot be read";
        ::_exit(run.state == State::Unclear && is_said && found->remnants.empty() ? 7 : 3);
    }
    int status = -1;
    REQUIRE(::waitpid(other, &status, 0) == other);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 7);
    CHECK(lives(stored.pid));
}

TEST_CASE("leftovers are ended with all that they started, stored or not, and strangers are not") {
    World world;
    const std::string& path = world.told.path;
    const RunRecord stored = world.start(4, "trap '' TERM; setsid sh -c 'echo $$ > " + path +
                                                "; sleep 1000; true' & " + told_to(world.told, "echo $$"));
    const pid_t daemon_or_leader = world.told.pid();
    const pid_t other = world.told.pid();
    const RunRecord unknown = world.start(5, says_here(world.told));
    CHECK(world.told.line() == "here");
    Orphanage others("/another" + world.scope);
    const pid_t stranger = others.start(4, "exec sleep 1000");
    world.started.push_back(stranger);
    const std::vector<std::string> said = end_leftovers({stored}, world.scope);
    REQUIRE(said.size() == 2);
    CHECK(said[0] == "'shop': pid " + std::to_string(stored.pid) +
                         ", left by an earlier supervisor, was ended by SIGKILL");
    CHECK(said[1] ==
          "'shop:5': pid " + std::to_string(unknown.pid) + ", left by an earlier supervisor, was ended");
    for (const pid_t pid : {daemon_or_leader, other, unknown.pid}) CHECK_FALSE(lives(pid));
    CHECK(lives(stranger));
}
