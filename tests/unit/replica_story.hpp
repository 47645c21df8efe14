// One replica and its time, for the tests of the replica's life.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>

#include "supervisor/core/replica.hpp"
#include "tests/scenario/config_builder.hpp"

namespace pmctl::test {

using namespace std::chrono_literals;

inline const ExitStatus crash{ExitStatus::Kind::Code, 1};
inline const ExitStatus success{ExitStatus::Kind::Code, 0};
inline const CheckResult good{true, "", 1ms};
inline const CheckResult bad{false, "HTTP 503", 1ms};

inline SpecPtr shared(InstanceSpec spec) {
    return std::make_shared<const InstanceSpec>(std::move(spec));
}

// A replica and its time; answers a `start` action by a process unless it is told not to.
struct Story {
    Replica replica;
    Duration time{};
    bool spawns = true;
    RunNumber runs = 0;
    int started = 0;

    explicit Story(InstanceSpec spec) { replica.spec = shared(std::move(spec)); }

    Now now() const { return {TimePoint(1h + time), WallTime(400'000h + time)}; }
    Actions tell(const ReplicaEvent& event) {
        Actions actions = step(replica, event, now(), 0);
        if (actions.start_candidate && spawns)
            step(replica, Spawned{++runs, 4000 + static_cast<int>(runs), 30001, Slot::Candidate}, now(), 0);
        if (actions.start) {
            ++started;
            if (spawns) step(replica, Spawned{++runs, 4000 + static_cast<int>(runs), 30000}, now(), 0);
        }
        return actions;
    }
    Actions tell_at(Duration when, const ReplicaEvent& event) {
        time = when;
        return tell(event);
    }
    void start() { tell(StartOrder{}); }
    void start_healthy() {
        start();
        if (replica.run->phase == Phase::Starting) tell(Checked{good});
        REQUIRE(phase() == Phase::Running);
    }
    Phase phase() const { return phase_of(replica); }
    std::string reason() const { return reason_of(replica, now()); }
    std::string next() const { return next_of(replica, now()); }
    Duration wait() const { return next_deadline(replica) - now().steady; }
};

inline InstanceSpec with_mode(RestartMode mode) {
    InstanceSpec spec = service("web");
    spec.policy.restart.mode = mode;
    return spec;
}

}  // namespace pmctl::test
