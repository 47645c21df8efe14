// What an HTTP check costs, beside a bare epoll prober that does no more than it must, in one run and on one
// server. Printing a table of all benchmarks is the benchmark program's.
#pragma once

#include <cstdint>

#include "shared/time.hpp"

namespace pmctl::bench {

struct ProbeLoad {
    std::uint32_t instances = 5000;  // a kept connection each
    std::uint32_t checks_per_second = 1000;
    Duration length = std::chrono::seconds(3);  // of each prober's share
};

struct ProbeCost {
    double bare_us = 0;  // CPU of the prober's thread, user and system, in µs a check
    double ours_us = 0;
    std::uint64_t failed = 0;  // checks of either that were not healthy: 0, or the figures mean nothing

    double ratio() const { return ours_us / bare_us; }
};

// Forks a server on a free port; the probers take turns on it, twice each, all due times put together in
// slots of 20 ms. Throws std::system_error where the machine does not give what is needed.
ProbeCost measure_probes(const ProbeLoad& load);

}  // namespace pmctl::bench
