// The faults that the demo admin service shows on request, read from their list: "delay=2s,garbage".
#pragma once

#include <string>
#include <string_view>

#include "shared/result.hpp"
#include "shared/time.hpp"

namespace pmctl {

struct DemoFaults {
    Duration delay{};           // each answer this much later
    bool unauthorized = false;  // "401"
    bool broken = false;        // "500"
    bool redirect = false;
    bool garbage = false;
    bool lower_id = false;
    bool empty = false;
    bool duplicate = false;
    bool huge = false;
    bool cut = false;
    bool stray_body = false;

    bool operator==(const DemoFaults&) const = default;
};

// "" and "none": none. Error: Invalid, with the word that is no fault and those that are.
Result<DemoFaults> parse_faults(std::string_view list);

// For --help: one line a fault.
std::string describe_faults();

}  // namespace pmctl
