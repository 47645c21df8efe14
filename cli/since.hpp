// What `logs --since` takes. Pure but for the time zone.
#pragma once

#include <string>

#include "shared/result.hpp"
#include "shared/time.hpp"

namespace pmctl {

// "10m": that long before `now`; RFC 3339; "2026-11-22 20:10[:11]", "2026-11-22" and "20:10[:11]" (today) in
// local time. Invalid with what is allowed.
Result<WallTime> parse_since(const std::string& text, WallTime now);

}  // namespace pmctl
