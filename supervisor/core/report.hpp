// Marks → how long each replica was wanted and served, and what else is counted, within a window of time.
// Where the marks come from is mark.hpp's, what is shown of it the reply's.
//
//   Serves, Missed, NotWanted last until the next of these of the same name. A supervisor that starts closes
//   what its predecessor left open: at its end, or where it was killed, at its last mark of any kind. From
//   there to the start nobody watched: that is neither up nor down.
//   A recovery goes from Serves → Missed to the next Serves, and counts in the window in which it ends. An
//   order to stop it, and an end of the supervisor, call it off; to come up for the first time is none.
//   Where the clock was set back a span is taken as it reads, never below zero.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shared/report_reply.hpp"
#include "shared/time.hpp"
#include "supervisor/core/mark.hpp"

namespace pmctl {

struct NameHistory {
    Duration wanted{};
    Duration served{};
    std::uint64_t failures = 0;
    std::uint64_t updates = 0;
    std::uint64_t failed_updates = 0;
    std::vector<Duration> recoveries;
    std::optional<WallTime> missed_since;
};

struct MarkHistory {
    WallTime covered_since{};  // the begin of the window, or the first mark's time where that is later
    Duration watched{};        // in the window
    std::map<std::string, NameHistory> names;
    std::vector<Duration> applied;
};

// `marks`: in the order in which they were made, those before `since` that still hold then among them. At
// `until` a supervisor is there: the one that asks.
MarkHistory history_of(const std::vector<Mark>& marks, WallTime since, WallTime until);

// Percentiles by nearest rank; all zero for none.
DurationFigures figures_of(std::vector<Duration> durations);
ReportRow report_row(std::string name, const NameHistory& history);
void add(NameHistory& total, const NameHistory& one);

}  // namespace pmctl
