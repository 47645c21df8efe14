// What the path of the logs costs: from a program's writes through FIFO, CRI lines and file, with rotation.
// Printing a table of all benchmarks is the benchmark program's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace pmctl::bench {

struct LogLoad {
    std::uint64_t megabytes = 1000;
    std::size_t line = 100;                     // bytes, its newline among them
    std::size_t write = std::size_t{64} << 10;  // bytes a write(2) of the program, whole lines or not
};

struct LogCost {
    double mb_per_s = 0;      // raw bytes, from the first write until all is in the log
    double cpu_s_per_gb = 0;  // of the supervisor's thread, user and system
    bool complete = false;    // the log is as long as it must be: else the figures mean nothing
};

// Forks a program that writes; pumps in this thread, as the supervisor does, into files below `folder`, which
// it removes. The better of `rounds` rounds. Throws std::runtime_error where the machine does not give what
// is needed.
LogCost measure_logs(const LogLoad& load, const std::string& folder, int rounds = 3);

struct LogOpeningCost {
    double cpu_us = 0;  // of this thread, for open_for and for closing the ends
    double bytes = 0;   // of heap that stay
};
// For each of so many instances.
LogOpeningCost measure_log_opening(std::uint32_t instances, const std::string& folder);

}  // namespace pmctl::bench
