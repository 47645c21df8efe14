// The foreground of `pmctl up`: logs and events of everything, interleaved, until Ctrl-C or the supervisor's
// end.
#pragma once

#include <string>

#include "cli/session.hpp"
#include "shared/protocol.hpp"

namespace pmctl {

// SIGINT and SIGTERM are to be blocked by the caller before anything is started, so that none is missed.
void block_interrupts();

// `owns`: the first interrupt stops everything gracefully, the second at once; else it detaches.
Result<int> attach(Session& session, const std::string& socket, const Targets& targets, bool owns);

}  // namespace pmctl
