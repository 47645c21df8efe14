// How long something took, over and over: count, last, longest, and the median of the most recent hundred.
#pragma once

#include <cstdint>
#include <deque>

#include "shared/time.hpp"

namespace pmctl {

struct RecentLatencies {
    static constexpr std::size_t kept = 100;

    std::uint64_t count = 0;
    Duration last{};
    Duration longest{};
    std::deque<Duration> recent;  // at most `kept`, oldest first

    void add(Duration took);
    // Of those in `recent`, the upper one of two; zero while there is none.
    Duration median() const;
};

}  // namespace pmctl
