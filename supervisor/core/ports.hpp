// Who holds which port of the range. Round robin: the next one given out lies behind the last one, so a
// released port rests until all the others had their turn. Whether a port is really free on the machine is
// asked of the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "supervisor/core/config.hpp"

namespace pmctl {

class PortTable {
  public:
    using IsFree = std::function<bool(std::uint16_t)>;

    explicit PortTable(PortRange range) : range_(range) {}

    PortRange range() const { return range_; }
    // Ports that are held stay held, also those outside of the new range.
    void set_range(PortRange range);

    // The next free port of the range for `owner`; nothing when there is none. Asks `is_free` for candidates
    // alone.
    std::optional<std::uint16_t> take(const std::string& owner, const IsFree& is_free);
    // A fixed port, inside the range or not; false when somebody else holds it.
    bool reserve(std::uint16_t port, const std::string& owner);
    void release(std::uint16_t port);

    bool in_range(std::uint16_t port) const { return port >= range_.first && port <= range_.last; }
    const std::map<std::uint16_t, std::string>& held() const { return held_; }
    std::uint32_t free_in_range() const;

  private:
    PortRange range_;
    std::map<std::uint16_t, std::string> held_;
    std::uint32_t next_ = 0;  // offset into the range where the next search begins
};

}  // namespace pmctl
