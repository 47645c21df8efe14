// Processes by the tags in their environment (run_tag.hpp), among all that there are. What becomes of them is
// adoption's and Strays'.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "supervisor/io/descriptor.hpp"
#include "supervisor/io/proc_files.hpp"
#include "supervisor/io/run_tag.hpp"

namespace pmctl {

struct Tagged {
    pid_t pid = 0;
    Descriptor pidfd;
    ProcStat stat;
    RunTag tag;
};

// One that is executing a program shows no environment for a moment. Whoever is young and shows none is
// thought to do that; others may have cleared theirs long ago.
struct TaggedSearch {
    std::vector<Tagged> found;
    std::vector<pid_t> silent;  // show no environment; without the kernel's threads, and zombies
    bool has_young = false;     // among those
};
// All with a tag of `scope`, but for this process and those in `known`. Each was looked at after its
// descriptor was opened.
TaggedSearch find_tagged(const std::vector<pid_t>& pids, const std::unordered_set<pid_t>& known,
                         const std::string& scope);
// The same, and looks at the silent ones again, for some milliseconds, or fifty where there are young ones.
std::vector<Tagged> find_all_tagged(const std::vector<pid_t>& pids, const std::unordered_set<pid_t>& known,
                                    const std::string& scope);

std::optional<RunTag> tag_of(pid_t pid, const std::string& scope);
// As patient.
std::optional<RunTag> patient_tag_of(pid_t pid, const std::string& scope);

}  // namespace pmctl
