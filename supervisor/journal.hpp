// The last events in memory, numbered; the store keeps more of them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "supervisor/effects.hpp"

namespace pmctl {

class Journal {
  public:
    Journal(std::vector<Event> earlier, std::uint64_t next_number);

    const Event& add(WallTime at, std::string name, std::string kind, std::string text);
    std::uint64_t last_number() const { return next_ - 1; }
    const std::deque<Event>& events() const { return events_; }
    // The last `limit` of those after `cursor` that `wanted` accepts, oldest first.
    std::vector<const Event*> after(std::uint64_t cursor, std::size_t limit, bool from_the_end,
                                    const std::function<bool(const Event&)>& wanted) const;

  private:
    std::deque<Event> events_;
    std::uint64_t next_;
};

}  // namespace pmctl
