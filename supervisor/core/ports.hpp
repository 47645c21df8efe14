// Who holds which port of the range. Round robin: the next one given out lies behind the last one, so a
// released port rests until all the others had their turn. Whether a port is really free on the machine is
// asked of the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "supervisor/core/config.hpp"

namespace pmctl {

class PortTable {
  public:
    using IsFree = std::function<bool(std::uint16_t)>;

    explicit PortTable(PortRange range) : range_(range) {}

    PortRange range() const { return range_; }
    // Ports that are held stay held, also those outside of the new range.
    void set_range(PortRange range);

    // Ports that somebody will want by their numbers, now or later: `take` gives none of them out.
    void set_promised(std::set<std::uint16_t> ports) { promised_ = std::move(ports); }

    // The next free port of the range for `owner`; nothing when there is none. Asks `is_free` for candidates
    // alone.
    std::optional<std::uint16_t> take(const std::string& owner, const IsFree& is_free);
    // A fixed port, inside the range or not; false when somebody else holds it.
    bool reserve(std::uint16_t port, const std::string& owner);
    void release(std::uint16_t port);

    bool in_range(std::uint16_t port) const { return port >= range_.first && port <= range_.last; }
    // It is of the range, and promised to nobody.
    bool may_take(std::uint16_t port) const { return in_range(port) && !promised_.contains(port); }
    const std::map<std::uint16_t, std::string>& held() const { return held_; }
    std::uint32_t free_in_range() const;

  private:
    PortRange range_;
    std::map<std::uint16_t, std::string> held_;
    std::set<std::uint16_t> promised_;
    std::uint32_t next_ = 0;  // offset into the range where the next search begins
};

}  // namespace pmctl
