// What one health check found; what it means for the run is core/health's.
#pragma once

#include <string>

#include "shared/time.hpp"

namespace pmctl {

struct CheckResult {
    bool ok = false;
    std::string error;
    Duration latency{};
    bool inconclusive =
        false;  // the lack was the supervisor's own (descriptors, ports, memory): says nothing
};

}  // namespace pmctl
