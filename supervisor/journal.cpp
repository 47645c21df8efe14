#include "supervisor/journal.hpp"

#include <algorithm>
#include <utility>

namespace pmctl {

namespace {

constexpr std::size_t kept = 4096;  // in memory

}  // namespace

Journal::Journal(std::vector<Event> earlier, std::uint64_t next_number)
    : events_(std::make_move_iterator(earlier.begin()), std::make_move_iterator(earlier.end())),
      next_(next_number) {
    if (!events_.empty()) next_ = std::max(next_, events_.back().number + 1);
}

const Event& Journal::add(WallTime at, std::string name, std::string kind, std::string text) {
    if (events_.size() >= kept) events_.pop_front();
    return events_.emplace_back(Event{next_++, at, std::move(name), std::move(kind), std::move(text)});
}

std::vector<const Event*> Journal::after(std::uint64_t cursor, std::size_t limit, bool from_the_end,
                                         const std::function<bool(const Event&)>& wanted) const {
    const auto begin =
        std::upper_bound(events_.begin(), events_.end(), cursor,
                         [](std::uint64_t number, const Event& event) { return number < event.number; });
    std::vector<const Event*> found;
    if (from_the_end) {
        for (auto at = events_.end(); at != begin && found.size() < limit;) {
            --at;
            if (wanted(*at)) found.push_back(&*at);
        }
        std::reverse(found.begin(), found.end());
        return found;
    }
    for (auto at = begin; at != events_.end() && found.size() < limit; ++at) {
        if (wanted(*at)) found.push_back(&*at);
    }
    return found;
}

}  // namespace pmctl
