// What a thousand instances cost: starting, crashing and ending them, and what the supervisor takes while
// they run.
#pragma once

#include <cstddef>
#include <vector>

#include "tests/bench/daemon.hpp"
#include "tests/bench/figures.hpp"

namespace pmctl::bench {

// The life of `count` instances, beside bare loops.
std::vector<Figure> measure_life(const Programs& programs, std::size_t count);
// Memory, wake-ups, status, reload and stop at `count` instances.
std::vector<Figure> measure_quiet(const Programs& programs, std::size_t count);
// The log path: `megabytes` of 100-byte lines in writes of 64 KiB, beside a bare copy.
std::vector<Figure> measure_logs(const Programs& programs, std::size_t megabytes);
// From an event on the admin service to the new process's first instruction.
std::vector<Figure> measure_admin(const Programs& programs, std::size_t rounds);
// The child of measure_logs: writes, and records how long that took as nanoseconds in the file `report`.
int write_lines(std::size_t megabytes, const char* report);

}  // namespace pmctl::bench
