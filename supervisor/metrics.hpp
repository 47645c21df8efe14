// The figures of /metrics: pmctl_* in base units, from the Supervisor's state and what the system says of its
// process. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "supervisor/supervisor.hpp"

namespace pmctl {

// The supervisor's own process.
struct ProcessFigures {
    Duration cpu{};  // user and system
    std::uint64_t resident_bytes = 0;
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0;
    WallTime started_at{};
    std::uint64_t http_connections = 0;
    std::uint64_t route_readers = 0;
    std::uint64_t routes_seen = UINT64_MAX;  // the lowest generation that one of them has; max: there is none
};

// In Prometheus' text format, version 0.0.4.
std::string metrics_of(const Supervisor& supervisor, const ProcessFigures& process,
                       const std::string& version, Now now);

}  // namespace pmctl
