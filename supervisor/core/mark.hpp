// What the history of availability is made of: one mark for each moment at which a replica began or ceased to
// serve, and for what else `pmctl report` counts. Made by tally and the Supervisor, kept by the store, read
// by report.
#pragma once

#include <string>

#include "shared/time.hpp"

namespace pmctl {

// The numbers are what is stored: never given to another one.
enum class MarkKind {
    Serves = 0,            // wanted and Running
    Missed = 1,            // wanted and not Running
    NotWanted = 2,         // stopped by an operator, by the configuration, or done
    Failed = 3,            // a run ended or could not begin, and nobody had asked for that
    Updated = 4,           // by a rolling update
    UpdateFailed = 5,      //
    SupervisorStarts = 6,  // from here on the marks tell all
    SupervisorEnds = 7,    //
    SupervisorLives = 8,   // now and then, so that the end of one that was killed is known about
    Applied = 9,           // another configuration, `took` after it was asked for
};
constexpr int mark_kinds = 10;

struct Mark {
    WallTime at{};
    std::string name;  // log name of the replica, which scaling leaves as it is; "": the supervisor's own
    MarkKind kind = MarkKind::Serves;
    Duration took{};

    bool operator==(const Mark&) const = default;
};

}  // namespace pmctl
