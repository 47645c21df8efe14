#include "supervisor/core/recent_latencies.hpp"

#include <algorithm>
#include <vector>

namespace pmctl {

void RecentLatencies::add(Duration took) {
    ++count;
    last = took;
    longest = std::max(longest, took);
    recent.push_back(took);
    if (recent.size() > kept) recent.pop_front();
}

Duration RecentLatencies::median() const {
    if (recent.empty()) return {};
    std::vector<Duration> all(recent.begin(), recent.end());
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::nth_element(all.begin(), middle, all.end());
    return *middle;
}

}  // namespace pmctl
