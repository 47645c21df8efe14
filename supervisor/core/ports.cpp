#include "supervisor/core/ports.hpp"

#include <algorithm>
#include <iterator>

namespace pmctl {

void PortTable::set_range(PortRange range) {
    if (range == range_) return;
    range_ = range;
    next_ = 0;
}

std::optional<std::uint16_t> PortTable::take(const std::string& owner, const IsFree& is_free) {
    const std::uint32_t size = std::uint32_t{range_.last} - range_.first + 1;
    for (std::uint32_t tried = 0; tried < size; ++tried) {
        const auto port = static_cast<std::uint16_t>(range_.first + (next_ + tried) % size);
        if (held_.contains(port) || promised_.contains(port) || !is_free(port)) continue;
        next_ = (next_ + tried + 1) % size;
        held_[port] = owner;
        return port;
    }
    return std::nullopt;
}

bool PortTable::reserve(std::uint16_t port, const std::string& owner) {
    const auto [place, added] = held_.try_emplace(port, owner);
    return added || place->second == owner;
}

void PortTable::release(std::uint16_t port) {
    held_.erase(port);
}

std::uint32_t PortTable::free_in_range() const {
    const std::uint32_t size = std::uint32_t{range_.last} - range_.first + 1;
    const auto held = std::distance(held_.lower_bound(range_.first), held_.upper_bound(range_.last));
    const auto promised =
        std::count_if(promised_.lower_bound(range_.first), promised_.upper_bound(range_.last),
                      [this](std::uint16_t port) { return !held_.contains(port); });
    return size - static_cast<std::uint32_t>(held + promised);
}

}  // namespace pmctl
