// The foreground of `pmctl up`: logs and events of everything, interleaved, until Ctrl-C or the supervisor's
// end.
#pragma once

#include <optional>
#include <string>

#include "cli/session.hpp"
#include "cli/supervision.hpp"
#include "shared/protocol.hpp"

namespace pmctl {

// `supervisor`: the process that answers there. `own`: it is one that this call has started: the first
// interrupt stops everything gracefully, the second at once; where it crashes the next one is started.
// Without: an interrupt detaches. Interrupts are blocked.
Result<int> attach(Session& session, const std::string& socket, const Targets& targets, pid_t supervisor,
                   std::optional<OwnPmctld> own);

}  // namespace pmctl
