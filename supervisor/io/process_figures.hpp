// What the system says of this process: processor time, memory, descriptors.
#pragma once

#include "supervisor/metrics.hpp"

namespace pmctl {

// getrusage(2), getrlimit(2) and proc(5); 0 for what cannot be had. started_at and http_connections are the
// caller's.
ProcessFigures process_figures();

}  // namespace pmctl
