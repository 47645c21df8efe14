// The deadlines of many things, with one timer of the kernel's between them: setting and clearing one costs
// no system call as long as an earlier one is set, and no memory. What it means that one is met is the
// owner's.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "shared/time.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

// To be kept in what has the deadline. It may not move or end while it is set.
class Deadline {
  public:
    explicit Deadline(std::uint64_t number) : number_(number) {}
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

  private:
    friend class Deadlines;
    static constexpr std::size_t not_set = SIZE_MAX;

    TimePoint when_;
    std::uint64_t number_;  // the owner's name for it
    std::size_t place_ = not_set;
};

class Deadlines {
  public:
    // `on_met` is called from the loop, once for each that is met, earliest first, when it is cleared
    // already. Throws std::system_error where the kernel gives no timer.
    Deadlines(Loop& loop, std::function<void(std::uint64_t number)> on_met);

    // Up to 20 ms late, so that those of one slot are met together; what has passed is met in the next turn.
    void set(Deadline& deadline, TimePoint when);
    void clear(Deadline& deadline);  // nothing to do where it is not set

  private:
    void put(std::size_t place, Deadline* deadline);
    void rise(std::size_t place);
    void sink(std::size_t place);
    void take_out(Deadline& deadline);
    void arm();
    void meet();

    std::function<void(std::uint64_t)> on_met_;
    Timer timer_;
    TimePoint armed_ = TimePoint::max();
    std::vector<Deadline*> heap_;  // binary, the earliest at the front; each knows its place
};

}  // namespace pmctl
