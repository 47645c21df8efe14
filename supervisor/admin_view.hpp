// The admin provider's state as pmctl shows it.
#pragma once

#include <optional>

#include "shared/protocol.hpp"
#include "supervisor/supervisor.hpp"

namespace pmctl {

// Failed: there is no [admin].
Result<AdminReply> admin_view(const Supervisor& supervisor, Now now);
// Nothing while the service answers, or there is no [admin].
std::optional<AdminOutage> outage_of(const Supervisor& supervisor);

}  // namespace pmctl
