// What an earlier supervisor of this state_dir left behind when it was killed: its runs, and processes of
// theirs that nobody looks after. Finding and knowing them is done here; going on with a run is the
// ProcessTable's (adopt).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "supervisor/effects.hpp"
#include "supervisor/io/descriptor.hpp"

namespace pmctl {

struct Finding {
    FoundRun run;
    Descriptor pidfd;  // of its leader; with Alive
};

// A process of a run whose leader has ended, or of a check that nobody waits for any longer.
struct Remnant {
    pid_t pid = 0;
    Descriptor pidfd;
    RunNumber run = 0;  // 0: a check's
    std::string log_name;
};

struct Findings {
    std::vector<Finding> runs;  // the stored ones in their order, then those that the store does not know
    std::vector<Remnant> remnants;
};

// `scope`: as in run_tag.hpp. A stored run is alive if its number is a process' that began in that tick of
// that boot, whose tag does not say otherwise, or of a process whose tag says that it is that run's leader.
// Each is looked at after its descriptor was opened, so what was looked at is what will be adopted or
// signalled. A process whose tag says that it leads a run which is not stored is alive too; so is the leader
// of a session that such a process is in, when it has cleared its own environment. Members of living runs are
// no remnants. A stored run's child (of a supervisor that was replaced in place) that has ended is reaped.
// Error: /proc cannot be read, so nobody can say what is running.
Result<Findings> find_runs(const std::vector<RunRecord>& stored, const std::string& scope);

// SIGKILL, and waits until they have ended, at most so long.
void end_remnants(const std::vector<Remnant>& remnants, Duration patience);

}  // namespace pmctl
