// What /proc says of processes (proc(5)), as far as it takes to know one again. What follows from it is
// adoption's and the ProcessTable's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/result.hpp"
#include "shared/time.hpp"

namespace pmctl {

// The whole of a file of /proc, which have no size; "" where it cannot be read.
std::string read_proc(const std::string& path);
// The same; nothing where only descriptors or memory were lacking (open(2): EMFILE, ENFILE, ENOMEM), so that
// a later look may tell more.
std::optional<std::string> try_read_proc(const std::string& path);

// Of /proc/PID/stat (proc_pid_stat(5)).
struct ProcStat {
    char state = '?';  // 'Z': a zombie, or a first thread that ended before the others
    pid_t parent = 0;
    pid_t group = 0;
    pid_t session = 0;
    std::uint64_t start_ticks = 0;  // since boot: with the pid and the boot that is a process, for ever
    // As waitpid(2) has it; of what has ended. 0 also where one may not read it (PTRACE_MODE_READ).
    int wait_status = 0;
};
std::optional<ProcStat> parse_proc_stat(std::string_view text);
std::optional<ProcStat> read_proc_stat(pid_t pid);

// Changes with every boot of the machine; "" where the kernel does not say.
std::string boot_id();
// What start_ticks is of a process that began then, by CLOCK_BOOTTIME (fs/proc/array.c of the kernel).
std::uint64_t to_ticks(const timespec& since_boot);
// How long ago that was. A tick is 10 ms, usually (_SC_CLK_TCK).
Duration age_of(std::uint64_t start_ticks);
// Of all processes that are there, zombies included. Error: /proc cannot be opened.
Result<std::vector<pid_t>> all_pids();

}  // namespace pmctl
