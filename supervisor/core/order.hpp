// depends_on as a graph: who waits for whom, and where it goes round in a circle. When what may start is the
// Supervisor's.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/core/config.hpp"

namespace pmctl {

struct Order {
    // id → direct ones, each once, sorted. Ids that are not configured are left out; those with none have no
    // entry.
    std::map<std::string, std::vector<std::string>, std::less<>> dependencies;
    std::map<std::string, std::vector<std::string>, std::less<>> dependents;
};

Order order_of(const std::vector<SpecPtr>& instances);

// Each circle once, as a path that ends where it begins: {"a", "b", "a"}.
std::vector<std::vector<std::string>> find_cycles(const Order& order);

// Who is in a circle, grouped by who is in one with whom; each group sorted.
std::vector<std::vector<std::string>> find_knots(const Order& order);

// "a → b → a"
std::string path_text(const std::vector<std::string>& path);

}  // namespace pmctl
