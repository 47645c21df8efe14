// The exit statuses of runs whose process has ended and is not the supervisor's child: the kernel tells them
// once the parent has taken note, so they are asked for until then.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "supervisor/core/run.hpp"
#include "supervisor/io/descriptor.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

struct EndedProcess {
    RunNumber run = 0;
    pid_t pid = 0;
    Descriptor pidfd;
    std::uint64_t start_ticks = 0;
};

class LateEnds {
  public:
    using Told = std::function<void(RunNumber, ExitStatus)>;

    // Process 1 of some containers takes note of its foster children every second or two only. A process that
    // is not reaped by then has a parent that never will.
    static constexpr Duration patience = std::chrono::seconds(3);

    LateEnds(Loop& loop, Told told);

    // Calls `told` once: at once where the status is known, or never will be; else when it is, or with
    // Unknown when the patience is over.
    void ask(EndedProcess process);

  private:
    struct Waiting {
        EndedProcess process;
        TimePoint until;
    };

    void ask_again();

    Told told_;
    Timer timer_;
    std::vector<Waiting> waiting_;
    Duration delay_{};
};

}  // namespace pmctl
