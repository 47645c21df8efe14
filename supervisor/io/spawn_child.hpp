// The child's side of a spawn: what happens between clone and exec, in memory that it shares with the
// supervisor. Everything it needs is prepared in a plan of plain pointers; it allocates nothing, and its
// failure stands in the plan when start_child returns. Preparing and explaining is spawn's.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <ctime>

namespace pmctl {

enum class SpawnStep {
    None,
    Cgroup,
    Session,
    Descriptors,
    FileLimit,
    CoreLimit,
    Groups,
    Gid,
    Uid,
    Chdir,
    Exec,
};

struct ChildPlan {
    // In the supervisor's table: stdin, stdout, stderr and then what becomes 3, 4 ... All over 2.
    int first_slot = 0;
    int slot_count = 3;

    std::uint64_t changed_signals = 0;  // from changed_signals()
    int cgroup_procs = -1;              // where the child joins its cgroup by itself
    const char* oom_score = nullptr;    // null: stays
    std::size_t oom_score_length = 0;
    mode_t umask = 0022;
    rlimit file_limit{};
    bool set_core_limit = false;
    rlimit core_limit{};

    bool set_groups = false;
    bool set_gid = false;
    bool set_uid = false;
    const gid_t* groups = nullptr;
    std::size_t group_count = 0;
    gid_t gid = 0;
    uid_t uid = 0;

    const char* working_dir = nullptr;
    char* tag_pid = nullptr;     // room for the digits of a pid and a NUL; null: none
    char* listen_pid = nullptr;  // the same
    char* const* argv = nullptr;
    char* const* env = nullptr;
    const char* search_path = nullptr;  // null: argv[0] has a slash
    char* candidate = nullptr;          // room for the longest of search_path, a slash and argv[0]

    // The answer.
    SpawnStep failed = SpawnStep::None;
    int error = 0;     // errno
    timespec began{};  // CLOCK_BOOTTIME, by the child's first step
};

// The signals that this process ignores or catches, as a set of bits: bit 0 is signal 1.
std::uint64_t changed_signals();

// Clones, runs the plan in the child, and returns once it has executed its program, failed or died: the
// child's pid, or -1 and errno. `stack_top` is the upper end of memory that nothing else uses meanwhile;
// `pidfd` gets a descriptor that is close-on-exec. With a `cgroup_fd` (a cgroup's folder, else -1) the child
// begins its life there. All signals are to be blocked by the caller.
pid_t start_child(ChildPlan& plan, void* stack_top, std::size_t stack_size, int cgroup_fd, int& pidfd);

}  // namespace pmctl
