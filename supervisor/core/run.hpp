// The state machine of one run: one life of one process, from its spawn to its exit. When the next run begins
// is replica.hpp's; what a check is made of is io's.
#pragma once

#include <cstdint>

namespace pmctl {

// Unique over all replicas and all supervisors of one state_dir; rises. 0: none.
using RunNumber = std::uint64_t;

// What is asked of a replica, by its configuration or its operator.
enum class Wanted { Running, Stopped };

// How a process ended, as waitid(2) tells it.
struct ExitStatus {
    enum class Kind { Code, Signal, Unknown };
    Kind kind = Kind::Unknown;
    int value = 0;

    bool operator==(const ExitStatus&) const = default;
};

}  // namespace pmctl
