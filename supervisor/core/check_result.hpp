// What one health check found; a check that could not be made on our own side says so and counts for nothing.
#pragma once

#include <string>

#include "shared/time.hpp"

namespace pmctl {

struct CheckResult {
    bool ok = false;
    std::string error;  // in words; "" when ok
    Duration latency{};
    bool inconclusive = false;  // our own lack ("cannot check: Too many open files"): neither good nor bad

    bool operator==(const CheckResult&) const = default;
};

}  // namespace pmctl
