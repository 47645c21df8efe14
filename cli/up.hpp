// `pmctl up`: starts a supervisor or finds the one that runs, then either waits until all is healthy and
// leaves, or shows what everything writes and hands on Ctrl-C.
#pragma once

#include "cli/session.hpp"

namespace pmctl {

Result<int> run_up(Session& session);

}  // namespace pmctl
