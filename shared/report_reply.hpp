// The reply to `report`: how well what was wanted was kept running, in figures. What each is held against is
// the design's, below; how it is computed is the supervisor's core/report.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/time.hpp"

namespace pmctl {

// What pmctl is meant to keep to.
inline constexpr double aimed_availability = 0.999;
inline constexpr Duration aimed_recovery = std::chrono::seconds(30);  // the longest
inline constexpr double aimed_cpu_share = 0.05;                       // of one processor
inline constexpr Duration aimed_configuration = std::chrono::seconds(5);

struct DurationFigures {
    std::uint64_t count = 0;
    Duration mean{};
    Duration p50{};
    Duration p99{};
    Duration worst{};
    bool operator==(const DurationFigures&) const = default;
};
struct ReportRow {
    std::string name;   // of the replica; "" for all together
    Duration wanted{};  // for how long it was to run while a supervisor watched
    Duration served{};  // and was Running
    std::uint64_t failures = 0;
    std::uint64_t updates = 0;
    std::uint64_t failed_updates = 0;
    DurationFigures recoveries;            // from Running to Running again, while it was wanted
    std::optional<WallTime> missed_since;  // wanted, and not Running at the moment
    bool operator==(const ReportRow&) const = default;
};
struct ReportReply {
    WallTime since{};          // asked for
    WallTime covered_since{};  // the history begins there, or earlier than was asked for
    WallTime until{};
    Duration not_watched{};       // after covered_since: no supervisor ran
    std::vector<ReportRow> rows;  // by name; those that are gone by now come last
    ReportRow total;
    DurationFigures configuration;  // from a reload or event to what came of it
    Duration cpu{};                 // of the supervisor, in its whole life
    Duration uptime{};              // which is this long
    std::uint64_t resident_bytes = 0;
    bool operator==(const ReportReply&) const = default;
};

}  // namespace pmctl
