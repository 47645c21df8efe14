// Processes by descriptor (pidfd_open(2)), which name the same one for ever, also when its number is given to
// another: their end, their exit status where they are not one's children, signals to them and their group.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "shared/result.hpp"
#include "shared/time.hpp"
#include "supervisor/core/run.hpp"
#include "supervisor/io/descriptor.hpp"

namespace pmctl {

// None, and errno: ESRCH where there is no such process, EINVAL (since Linux 6.9 ENOENT) where it is another
// one's thread. A zombie is one.
Descriptor open_pidfd(pid_t pid);

// All its threads have. Waits for it, at most so long.
bool has_ended(int pidfd, Duration wait = Duration::zero());
bool is_child(int pidfd);

struct EndReport {
    enum class Kind {
        Known,
        NotYet,  // to be asked again: it tells when its parent has taken note (reaped it)
        Never,   // the kernel is too old: before Linux 6.15 the parent alone is told
    };
    Kind kind = Kind::Never;
    ExitStatus status;
};
// How the process has ended, which it has. A child is reaped by this. Of another one the kernel tells by
// PIDFD_GET_INFO once it is reaped, since Linux 6.15, if the descriptor was open before; and before that in
// /proc/PID/stat to who may read it (ptrace(2): PTRACE_MODE_READ), which is why number and start are asked
// for.
EndReport end_report(int pidfd, pid_t pid, std::uint64_t start_ticks);

// False: it was not sent.
bool signal_process(int pidfd, int signal_number);
// To the group that this process leads, or led: never to one that its number was given to later. Where the
// kernel has no call for that (before Linux 6.9), a group whose leader has ended is not reached.
bool signal_group(int pidfd, pid_t leader, int signal_number);
// The same for a group that was not empty a moment ago, so that its number is still its own: also there.
bool signal_left_group(int pidfd, pid_t leader, int signal_number);
// Somebody is in that group, zombies included. Older kernels are asked by its number.
bool has_members(int pidfd, pid_t leader);

// The same open file as descriptor `fd` of that process (pidfd_getfd(2)), close-on-exec. Error: NotFound
// where it has none of that number; Denied to who may not trace it (ptrace(2), and Yama's ptrace_scope).
Result<Descriptor> descriptor_of(int pidfd, int fd);

}  // namespace pmctl
