#include "supervisor/core/rolling.hpp"

#include <doctest/doctest.h>

#include <csignal>

#include "tests/unit/replica_story.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

InstanceSpec version(int number) {
    InstanceSpec spec = service("web");
    spec.process.version = std::to_string(number);
    spec.policy.update.drain = 5s;
    spec.policy.update.timeout = 20s;
    spec.policy.health.startup_timeout = 30s;
    return spec;
}

// Where an update of a healthy run can be; `old` is the run that serves.
enum class At { None, Waiting, Trying, Failed };

Story at(At place, InstanceSpec to = version(2)) {
    Story story(version(1));
    story.start_healthy();
    if (place == At::None) return story;
    CHECK(story.tell(NewSpec{shared(std::move(to)), true, {}}).wants_turn);
    if (place == At::Waiting) return story;
    story.tell(UpdateTurn{});
    if (place == At::Trying) return story;
    story.tell(Exited{crash, "", false, 2});
    REQUIRE(story.replica.update.stage == UpdateStage::Failed);
    return story;
}

constexpr At places[] = {At::None, At::Waiting, At::Trying, At::Failed};

struct Cell {
    const char* what;
    ReplicaEvent event;
    UpdateStage after[4];  // from None, Waiting, Trying, Failed
};

const std::string& version_of(const SpecPtr& spec) {
    return spec->process.version;
}

}  // namespace

TEST_CASE("the grid of an update, cell by cell") {
    using S = UpdateStage;
    const Cell cells[] = {
        {"stopped",
         StopReplica{"stopped by an operator", "", false, {}},
         {S::None, S::None, S::None, S::None}},
        {"restarted", RestartOrder{}, {S::None, S::None, S::None, S::None}},
        {"restarted, rolling", RestartOrder{true, {}}, {S::Waiting, S::Waiting, S::Waiting, S::Waiting}},
        {"another version",
         NewSpec{shared(version(3)), true, {}},
         {S::Waiting, S::Waiting, S::Waiting, S::Waiting}},
        {"the old version again",
         NewSpec{shared(version(1)), false, {}},
         {S::None, S::None, S::None, S::None}},
        {"nothing new", NewSpec{shared(version(2)), false, {}}, {S::None, S::Waiting, S::Trying, S::Failed}},
        {"its turn", UpdateTurn{}, {S::None, S::Trying, S::Trying, S::Failed}},
        {"called off",
         UpdateCalledOff{"'web:0' could not be updated"},
         {S::None, S::Failed, S::Trying, S::Failed}},
        {"reset", ResetOrder{}, {S::None, S::Waiting, S::Trying, S::Waiting}},
        {"the candidate is healthy", Checked{good, 2}, {S::None, S::Waiting, S::None, S::Failed}},
        {"the candidate is not healthy", Checked{bad, 2}, {S::None, S::Waiting, S::Trying, S::Failed}},
        {"the candidate ends", Exited{crash, "", false, 2}, {S::None, S::Waiting, S::Failed, S::Failed}},
        {"the candidate's port is lost",
         Exited{crash, "", true, 2},
         {S::None, S::Waiting, S::Trying, S::Failed}},
        {"the current run ends", Exited{crash, "", false, 1}, {S::None, S::Waiting, S::Trying, S::Failed}},
        {"the current run is sick", Checked{bad, 1}, {S::None, S::Waiting, S::Trying, S::Failed}},
        {"a deadline that has not come", Woke{}, {S::None, S::Waiting, S::Trying, S::Failed}},
        {"started", StartOrder{}, {S::None, S::Waiting, S::Trying, S::Failed}},
    };
    for (const Cell& cell : cells) {
        for (const At place : places) {
            CAPTURE(cell.what);
            CAPTURE(static_cast<int>(place));
            Story story = at(place);
            story.tell(cell.event);
            CHECK(story.replica.update.stage == cell.after[static_cast<int>(place)]);
            CHECK(broken_invariant(story.replica) == "");
        }
    }
}

TEST_CASE("a healthy candidate takes over in one step, and the run before it drains, is told and goes") {
    Story story = at(At::Trying);
    CHECK(story.replica.run->number == 1);
    CHECK(update_in_words(story.replica) == "the new process (pid 4002) is not healthy yet");
    story.tell(Checked{bad, 2});
    CHECK(update_in_words(story.replica) == "the new process (pid 4002) is not healthy yet: HTTP 503");
    story.time = 1s;
    const Actions actions = story.tell(Checked{good, 2});
    CHECK(actions.others.empty());  // not told yet: it drains
    CHECK(story.replica.run->number == 2);
    CHECK(version_of(story.replica.run_spec) == "2");
    CHECK(story.phase() == Phase::Running);
    REQUIRE(story.replica.outgoing.size() == 1);
    CHECK(is_draining(story.replica.outgoing.front()));
    CHECK(outgoing_in_words(story.replica.outgoing.front(), story.now()) ==
          "pid 4001 on port 30000: drains, told to end in 5s");

    SUBCASE("after update.drain at the latest") {
        CHECK(story.tell_at(6s - 1ns, Woke{}).others.empty());
        const Actions told = story.tell_at(6s, Woke{});
        REQUIRE(told.others.size() == 1);
        CHECK(told.others.front().run == 1);
        CHECK(told.others.front().actions.signal == SIGTERM);
    }
    SUBCASE("when nobody is led there any longer") {
        const Actions told = story.tell_at(2s, Unrouted{1, story.now().steady});
        REQUIRE(told.others.size() == 1);
        CHECK(told.others.front().actions.signal == SIGTERM);
    }
    SUBCASE("when those who were led there have got there") {
        CHECK(story.tell(Unrouted{1, TimePoint(1h + 3s)}).others.empty());
        REQUIRE(story.tell_at(3s, Woke{}).others.size() == 1);
    }
    const Actions gone = story.tell_at(7s, Exited{success, "", false, 1});
    REQUIRE(gone.others.size() == 1);
    CHECK(gone.others.front().actions.ended);
    CHECK_FALSE(gone.ended);
    CHECK(story.replica.outgoing.empty());
    CHECK(story.phase() == Phase::Running);
    CHECK(story.replica.restarts == 0);
}

TEST_CASE("a candidate that is not healthy in time goes, and the current run is untouched") {
    Story story = at(At::Trying);
    const Run before = *story.replica.run;
    story.tell(Checked{bad, 2});
    story.time = 20s;
    step(story.replica, Checked{good, 1}, story.now(), 0);
    const Actions actions = story.tell(Woke{});
    CHECK(story.replica.update.stage == UpdateStage::Failed);
    CHECK(story.replica.update.reason == "not healthy within 20s: HTTP 503");
    bool told = false;
    for (const RunOrder& each : actions.others)
        told = told || (each.run == 2 && each.actions.signal == SIGTERM);
    CHECK(told);
    CHECK(story.replica.run->number == before.number);
    CHECK(story.replica.run->phase == Phase::Running);
    CHECK(runs_old_spec(story.replica));
    story.tell(Exited{success, "", false, 2});
    CHECK(story.replica.outgoing.empty());
    CHECK(story.replica.update.stage == UpdateStage::Failed);
}

TEST_CASE("one that crashes, cannot be started, or finds no port in time has failed with that reason") {
    const auto reason_after = [](const std::vector<ReplicaEvent>& events, Duration when) {
        Story story = at(At::Waiting);
        story.spawns = false;
        story.tell(UpdateTurn{});
        for (const ReplicaEvent& each : events) story.tell(each);
        if (story.replica.update.stage == UpdateStage::Trying) story.tell_at(when, Woke{});
        CHECK(story.replica.update.stage == UpdateStage::Failed);
        CHECK(story.replica.run->phase == Phase::Running);
        CHECK(broken_invariant(story.replica) == "");
        return story.replica.update.reason;
    };
    const Spawned spawned{2, 4002, 30001, Slot::Candidate};
    CHECK(reason_after({spawned, Exited{crash, "", false, 2}}, 0s) ==
          "the new process (pid 4002) exited with 1 before it was healthy");
    CHECK(reason_after({spawned, Checked{bad, 2}, Exited{crash, "out of memory", false, 2}}, 0s) ==
          "the new process (pid 4002) exited with 1: out of memory before it was healthy: HTTP 503");
    CHECK(reason_after(
              {SpawnFailed{"exec '/srv/app': No such file or directory", StartFault::Own, Slot::Candidate}},
              0s) == "exec '/srv/app': No such file or directory");
    CHECK(reason_after({SpawnFailed{"clone: Cannot allocate memory", StartFault::Machine, Slot::Candidate}},
                       20s) == "not healthy within 20s: clone: Cannot allocate memory");
    CHECK(reason_after({NoPort{"no free port in 30000-30001", Slot::Candidate}}, 20s) ==
          "not healthy within 20s: no free port in 30000-30001");
}

TEST_CASE("a lack of the machine's is waited out") {
    Story story = at(At::Waiting);
    story.spawns = false;
    story.tell(UpdateTurn{});
    story.tell(NoPort{"no free port in 30000-30001", Slot::Candidate});
    CHECK(update_in_words(story.replica) == "no free port in 30000-30001");
    CHECK(story.tell(MayStart{}).start_candidate);
    story.tell(SpawnFailed{"clone: Cannot allocate memory", StartFault::Machine, Slot::Candidate});
    CHECK_FALSE(story.tell_at(999ms, Woke{}).start_candidate);
    CHECK(story.tell_at(1s, Woke{}).start_candidate);
    story.tell(SpawnFailed{"clone: Cannot allocate memory", StartFault::Machine, Slot::Candidate});
    CHECK_FALSE(story.tell_at(2999ms, Woke{}).start_candidate);
    CHECK(story.tell_at(3s, Woke{}).start_candidate);
}

TEST_CASE("a candidate whose port is stolen gets another one, but not for ever") {
    Story story = at(At::Trying);
    for (std::uint32_t i = 0; i < max_ports_lost; ++i)
        CHECK(story.tell(Exited{crash, "", true, story.runs}).start_candidate);
    story.tell(Exited{crash, "port 30001 is held by pid 4242 (nginx)", true, story.runs});
    CHECK(story.replica.update.stage == UpdateStage::Failed);
}

TEST_CASE("startup_timeout holds for a candidate as well") {
    InstanceSpec hasty = version(2);
    hasty.policy.health.startup_timeout = 3s;
    Story story = at(At::Trying, hasty);
    story.tell(Checked{bad, 2});
    story.tell_at(3s, Woke{});
    CHECK(story.replica.update.reason == "not healthy within 3s: HTTP 503");
    CHECK(story.replica.outgoing.size() == 1);
}

TEST_CASE("without health checks a candidate is trusted when it has lived for a moment") {
    InstanceSpec blind = version(2);
    blind.policy.health.kind = HealthKind::None;
    Story story = at(At::Trying, blind);
    CHECK(story.replica.run->number == 1);
    CHECK(update_in_words(story.replica) == "the new process (pid 4002) is watched for a moment");
    SUBCASE("it lives") {
        story.tell_at(rolling::candidate_trial - 1ns, Woke{});
        CHECK(story.replica.run->number == 1);
        story.tell_at(rolling::candidate_trial, Woke{});
        CHECK(story.replica.run->number == 2);
    }
    SUBCASE("it does not") {
        story.tell(Exited{crash, "", false, 2});
        CHECK(story.replica.update.stage == UpdateStage::Failed);
        CHECK(story.replica.run->number == 1);
    }
}

TEST_CASE("a further change in mid-update replaces the candidate") {
    Story story = at(At::Trying);
    const Actions actions = story.tell(NewSpec{shared(version(3)), true, {}});
    REQUIRE(actions.others.size() == 1);
    CHECK(actions.others.front().run == 2);
    CHECK(actions.others.front().actions.signal == SIGTERM);
    CHECK(actions.wants_turn);
    story.tell(UpdateTurn{});
    story.tell(Checked{good, 3});
    CHECK(version_of(story.replica.run_spec) == "3");
    CHECK(story.replica.outgoing.size() == 2);
}

TEST_CASE("what is tried or has failed is not begun anew by a reload that changes nothing of it") {
    for (const At place : {At::Waiting, At::Trying, At::Failed}) {
        Story story = at(place);
        const UpdateStage before = story.replica.update.stage;
        const Actions actions = story.tell(NewSpec{shared(version(2)), true, {}});
        CHECK(actions.others.empty());
        CHECK_FALSE(actions.wants_turn);
        CHECK(story.replica.update.stage == before);
    }
}

TEST_CASE("other rules of health begin a candidate anew") {
    Story story = at(At::Trying);
    InstanceSpec other = version(2);
    other.policy.health.path = "/other";
    const Actions actions = story.tell(NewSpec{shared(other), false, {}});
    CHECK(actions.wants_turn);
    CHECK(story.replica.outgoing.size() == 1);
}

TEST_CASE("a crash in mid-update starts what ran, and the candidate goes on") {
    for (const At place : {At::Waiting, At::Trying, At::Failed}) {
        CAPTURE(static_cast<int>(place));
        Story story = at(place);
        const RunNumber candidate = place == At::Trying ? 2 : 0;
        story.tell(Exited{crash, "", false, 1});
        CHECK(story.phase() == Phase::Starting);
        CHECK(version_of(story.replica.run_spec) == "1");
        CHECK((story.replica.candidate ? story.replica.candidate->number : 0) == candidate);
        if (place != At::Trying) continue;
        story.tell(Checked{good, candidate});
        CHECK(version_of(story.replica.run_spec) == "2");
        CHECK(story.phase() == Phase::Running);
        CHECK(story.replica.outgoing.size() == 1);
    }
}

TEST_CASE("a candidate takes over from one that waits for its next start") {
    Story story = at(At::Trying);
    story.spawns = false;
    story.tell(Exited{crash, "", false, 1});  // started at once: it was healthy
    story.tell(SpawnFailed{"exec '/srv/app': No such file or directory", StartFault::Own, Slot::Current});
    REQUIRE(story.phase() == Phase::Failed);
    story.tell(Checked{good, 2});
    CHECK(story.phase() == Phase::Running);
    CHECK(story.replica.outgoing.empty());
    CHECK(story.replica.failures == 0);
    CHECK(story.replica.next_start == TimePoint::max());
}

TEST_CASE("a stop ends all of them, and it is stopped when the last one is gone") {
    Story story = at(At::Trying);
    const Actions actions = story.tell(StopReplica{"stopped by an operator", "", false, {}});
    CHECK(actions.signal == SIGTERM);
    REQUIRE(actions.others.size() == 1);
    CHECK(actions.others.front().actions.signal == SIGTERM);
    story.tell(Exited{success, "", false, 1});
    CHECK(story.phase() == Phase::Stopping);
    CHECK(has_process(story.replica));
    story.tell(Exited{success, "", false, 2});
    CHECK(story.phase() == Phase::Stopped);
    CHECK_FALSE(has_process(story.replica));
}

TEST_CASE("a stop at once does not wait for what drains") {
    Story story = at(At::Trying);
    story.tell(Checked{good, 2});
    const Actions actions = story.tell(StopReplica{"the supervisor stops", "", true, {}});
    CHECK(actions.signal == SIGKILL);
    REQUIRE(actions.others.size() == 1);
    CHECK(actions.others.front().actions.signal == SIGKILL);
}

TEST_CASE("what cannot have two runs at once, or serves nobody, is replaced without a candidate") {
    InstanceSpec recreate = version(2);
    recreate.policy.update.strategy = UpdateStrategy::Recreate;
    InstanceSpec fixed = with_fixed_port(version(2), 8080);
    InstanceSpec none = version(2);
    none.process.port.kind = PortWish::Kind::None;
    for (const InstanceSpec& each : {recreate, fixed, none}) {
        Story story(version(1));
        story.start_healthy();
        CHECK(story.tell(NewSpec{shared(each), true, {}}).signal == SIGTERM);
        CHECK(story.replica.update.stage == UpdateStage::None);
    }
    Story starting(version(1));
    starting.start();
    CHECK(starting.tell(NewSpec{shared(version(2)), true, {}}).signal == SIGTERM);
    Story sick(version(1));
    sick.start_healthy();
    sick.tell(Checked{bad});
    sick.tell(Checked{bad});
    REQUIRE(sick.phase() == Phase::Unhealthy);
    CHECK(sick.tell(NewSpec{shared(version(2)), true, {}}).signal == SIGTERM);
}

TEST_CASE(
    "a fixed port is no obstacle where both processes can take connections from the socket that is kept") {
    const auto kept = [](int number, std::uint16_t port = 8080) {
        InstanceSpec spec = with_fixed_port(version(number), port);
        spec.process.socket_activation = true;
        return spec;
    };
    InstanceSpec own = kept(2);
    own.process.socket_activation = false;
    InstanceSpec tcp = kept(2);
    tcp.policy.health.kind = HealthKind::Tcp;
    InstanceSpec unchecked = kept(2);
    unchecked.policy.health.kind = HealthKind::None;
    CHECK(rolling::share_socket(kept(1), kept(2)));
    CHECK(rolling::share_socket(kept(1), unchecked));
    CHECK_FALSE(rolling::share_socket(kept(1), kept(2, 8081)));
    CHECK_FALSE(rolling::share_socket(kept(1), own));
    CHECK_FALSE(rolling::share_socket(own, kept(2)));
    CHECK_FALSE(rolling::share_socket(kept(1), tcp));  // the kernel accepts for whoever comes

    Story story(kept(1));
    story.start_healthy();
    CHECK(story.tell(NewSpec{shared(kept(2)), true, {}}).wants_turn);
    CHECK(story.tell(UpdateTurn{}).start_candidate);
    story.tell(Spawned{2, 102, 8080, Slot::Candidate});
    REQUIRE(story.replica.candidate);
    story.replica.run->port = 8080;
    // It takes connections as long as it is not told to end: at once, then.
    const Actions actions = story.tell(Checked{good, 2});
    REQUIRE(actions.others.size() == 1);
    CHECK(actions.others.front().actions.signal == SIGTERM);
}

TEST_CASE("a plain stop and restart leave the routes first") {
    for (const ReplicaEvent& order : {ReplicaEvent(StopReplica{"stopped by an operator", "", false, 5s}),
                                      ReplicaEvent(RestartOrder{false, 5s})}) {
        Story story = at(At::None);
        CHECK(story.tell(order).signal == 0);
        CHECK(story.phase() == Phase::Stopping);
        CHECK(is_draining(*story.replica.run));
        CHECK(story.tell_at(5s - 1ns, Woke{}).signal == 0);
        CHECK(story.tell_at(5s, Woke{}).signal == SIGTERM);
        CHECK(story.tell_at(15s, Woke{}).signal == SIGKILL);
    }
    Story story = at(At::None);
    story.tell(StopReplica{"stopped by an operator", "", false, 5s});
    CHECK(story.tell_at(1s, Unrouted{1, story.now().steady}).signal == SIGTERM);
    CHECK(story.tell(Unrouted{1, story.now().steady}).signal == 0);
    Story hasty = at(At::None);
    hasty.tell(StopReplica{"stopped by an operator", "", false, 5s});
    CHECK(hasty.tell(StopReplica{"the supervisor stops", "", true, {}}).signal == SIGKILL);
}
