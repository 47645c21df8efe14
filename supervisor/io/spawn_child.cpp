#include "supervisor/io/spawn_child.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>

// Runs on a foreign stack in shared memory: no instrumentation has business there.
#define IN_CHILD [[gnu::no_sanitize("address", "undefined", "thread"), gnu::noinline]]

namespace pmctl {

namespace {

// Raw system calls throughout: glibc's setresuid(3) and its kin would signal the supervisor's other threads,
// and sanitizers intercept much of the rest.
#ifdef SYS_setresuid32  // 32-bit machines: the plain number is that of 16-bit ids
constexpr long sys_setgroups = SYS_setgroups32;
constexpr long sys_setresgid = SYS_setresgid32;
constexpr long sys_setresuid = SYS_setresuid32;
#else
constexpr long sys_setgroups = SYS_setgroups;
constexpr long sys_setresgid = SYS_setresgid;
constexpr long sys_setresuid = SYS_setresuid;
#endif

IN_CHILD [[noreturn]] void give_up(ChildPlan& plan, SpawnStep step, int error) {
    plan.failed = step;
    plan.error = error;
    for (;;) ::syscall(SYS_exit_group, 127);
}

constexpr std::size_t kernel_set_size = _NSIG / CHAR_BIT;

// The kernel's sigaction, as far as it is the same on every architecture; all zeros is SIG_DFL.
struct alignas(16) KernelAction {
    void (*handler)(int) = nullptr;
    char rest[56] = {};
};

// Handlers would run in the supervisor's memory, and what the supervisor ignores the child must not: exec
// keeps SIG_IGN.
IN_CHILD void reset_dispositions(std::uint64_t changed_signals) {
    const KernelAction by_default;
    for (; changed_signals != 0; changed_signals &= changed_signals - 1) {
        const int signal = __builtin_ctzll(changed_signals) + 1;
        ::syscall(SYS_rt_sigaction, signal, &by_default, nullptr, kernel_set_size);
    }
}

// The table of descriptors is still the supervisor's own. Unsharing and closing in one call copies what lies
// below the range alone, so that thousands of open descriptors cost a spawn nothing.
IN_CHILD void take_descriptors(ChildPlan& plan) {
    const auto end = static_cast<unsigned>(plan.first_slot + plan.slot_count);
    if (::syscall(SYS_close_range, end, UINT_MAX, CLOSE_RANGE_UNSHARE) != 0) {
        give_up(plan, SpawnStep::Descriptors, errno);
    }
    // Ascending, and each target lies below its source: no source is overwritten before it was moved.
    for (int i = 0; i < plan.slot_count; ++i) {
        if (::syscall(SYS_dup3, plan.first_slot + i, i, 0) < 0) give_up(plan, SpawnStep::Descriptors, errno);
    }
    // Slots that begin at 3 have nothing below them, and are close-on-exec themselves.
    if (plan.first_slot > 3) {
        ::syscall(SYS_close_range, static_cast<unsigned>(plan.slot_count), UINT_MAX, 0);
    }
}

// Best effort: who may not, stays as it is.
IN_CHILD void set_oom_score(const ChildPlan& plan) {
    const long fd = ::syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ::syscall(SYS_write, fd, plan.oom_score, plan.oom_score_length);
    ::syscall(SYS_close, fd);
}

// What is over the hard limit and not permitted becomes the hard limit, as in systemd.exec(5).
IN_CHILD int limit(int which, const rlimit& asked) {
    rlimit64 wished{asked.rlim_cur, asked.rlim_max};
    if (::syscall(SYS_prlimit64, 0, which, &wished, nullptr) == 0) return 0;
    if (errno != EPERM) return errno;
    rlimit64 own{};
    ::syscall(SYS_prlimit64, 0, which, nullptr, &own);
    if (wished.rlim_max > own.rlim_max) wished.rlim_max = own.rlim_max;
    if (wished.rlim_cur > wished.rlim_max) wished.rlim_cur = wished.rlim_max;
    return ::syscall(SYS_prlimit64, 0, which, &wished, nullptr) == 0 ? 0 : errno;
}

IN_CHILD void set_limits(ChildPlan& plan) {
    if (const int error = limit(RLIMIT_NOFILE, plan.file_limit); error != 0) {
        give_up(plan, SpawnStep::FileLimit, error);
    }
    if (!plan.set_core_limit) return;
    if (const int error = limit(RLIMIT_CORE, plan.core_limit); error != 0) {
        give_up(plan, SpawnStep::CoreLimit, error);
    }
}

IN_CHILD void switch_identity(ChildPlan& plan) {
    if (plan.set_groups && ::syscall(sys_setgroups, plan.group_count, plan.groups) != 0) {
        give_up(plan, SpawnStep::Groups, errno);
    }
    if (plan.set_gid && ::syscall(sys_setresgid, plan.gid, plan.gid, plan.gid) != 0) {
        give_up(plan, SpawnStep::Gid, errno);
    }
    if (plan.set_uid && ::syscall(sys_setresuid, plan.uid, plan.uid, plan.uid) != 0) {
        give_up(plan, SpawnStep::Uid, errno);
    }
}

IN_CHILD void write_pid(char* into) {
    char reversed[16];
    int length = 0;
    for (long pid = ::syscall(SYS_getpid); pid > 0; pid /= 10) {
        reversed[length++] = static_cast<char>('0' + pid % 10);
    }
    while (length > 0) *into++ = reversed[--length];
    *into = '\0';
}

// The rules of execvp(3) but for its shell: a folder without the program is passed over, and one where it may
// not be executed is reported if no other has it. Returns an errno.
IN_CHILD int execute(const ChildPlan& plan) {
    if (plan.search_path == nullptr) {
        ::syscall(SYS_execve, plan.argv[0], plan.argv, plan.env);
        return errno;
    }
    int error = ENOENT;
    const char* folder = plan.search_path;
    for (;;) {
        char* end = plan.candidate;
        for (; *folder != '\0' && *folder != ':'; ++folder) *end++ = *folder;
        if (end != plan.candidate) *end++ = '/';  // an empty part is the working folder
        for (const char* name = plan.argv[0]; *name != '\0'; ++name) *end++ = *name;
        *end = '\0';
        ::syscall(SYS_execve, plan.candidate, plan.argv, plan.env);
        if (errno == EACCES)
            error = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR)
            return errno;
        if (*folder == '\0') return error;
        ++folder;
    }
}

IN_CHILD int run_plan(void* argument) {
    auto& plan = *static_cast<ChildPlan*>(argument);
    ::syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &plan.began);
    reset_dispositions(plan.changed_signals);
    if (plan.cgroup_procs >= 0 && ::syscall(SYS_write, plan.cgroup_procs, "0", 1) != 1) {
        give_up(plan, SpawnStep::Cgroup, errno);
    }
    if (::syscall(SYS_setsid) < 0) give_up(plan, SpawnStep::Session, errno);
    take_descriptors(plan);
    if (plan.oom_score != nullptr) set_oom_score(plan);
    ::syscall(SYS_umask, plan.umask);
    set_limits(plan);
    switch_identity(plan);
    // As its user: a folder that this user may not enter is an error now, not a surprise later.
    if (::syscall(SYS_chdir, plan.working_dir) != 0) give_up(plan, SpawnStep::Chdir, errno);
    if (plan.tag_pid != nullptr) write_pid(plan.tag_pid);
    if (plan.listen_pid != nullptr) write_pid(plan.listen_pid);
    const std::uint64_t no_signals = 0;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof no_signals);
    give_up(plan, SpawnStep::Exec, execute(plan));
}

constexpr int sharing = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD;

// clone(2) with CLONE_INTO_CGROUP: there is no wrapper for clone3 in glibc, and a call that returns twice on
// two stacks cannot be written in C++. -1 and ENOSYS where it is not written for the machine.
IN_CHILD pid_t clone_into_cgroup([[maybe_unused]] ChildPlan& plan, void* stack_top, std::size_t stack_size,
                                 int cgroup_fd, int& pidfd) {
    clone_args args{};
    args.flags = static_cast<std::uint64_t>(sharing) | CLONE_INTO_CGROUP;
    args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    args.stack = reinterpret_cast<std::uintptr_t>(stack_top) - stack_size;
    args.stack_size = stack_size;
    args.cgroup = static_cast<std::uint64_t>(cgroup_fd);
    long result = -ENOSYS;
#if defined(__x86_64__)
    register int (*child)(void*) asm("r12") = run_plan;
    register void* argument asm("r13") = &plan;
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"
        "mov %%r13, %%rdi\n\t"
        "call *%%r12\n\t"
        "ud2\n"
        "1:"
        : "=a"(result)
        : "a"(SYS_clone3), "D"(&args), "S"(sizeof args), "r"(child), "r"(argument)
        : "rcx", "r11", "memory", "cc");
#elif defined(__aarch64__)
    register long number asm("x8") = SYS_clone3;
    register long first asm("x0") = reinterpret_cast<long>(&args);
    register long second asm("x1") = sizeof args;
    register int (*child)(void*) asm("x19") = run_plan;
    register void* argument asm("x20") = &plan;
    asm volatile(
        "svc #0\n\t"
        "cbnz x0, 1f\n\t"
        "mov x29, #0\n\t"
        "mov x0, x20\n\t"
        "blr x19\n\t"
        "brk #1\n"
        "1:"
        : "+r"(first)
        : "r"(number), "r"(second), "r"(child), "r"(argument)
        : "memory", "cc");
    result = first;
#endif
    if (result >= 0) return static_cast<pid_t>(result);
    errno = static_cast<int>(-result);
    return -1;
}

}  // namespace

std::uint64_t changed_signals() {
    std::uint64_t changed = 0;
    for (int signal = 1; signal < _NSIG; ++signal) {
        KernelAction action;
        if (::syscall(SYS_rt_sigaction, signal, nullptr, &action, kernel_set_size) == 0 &&
            action.handler != SIG_DFL)
            changed |= std::uint64_t{1} << (signal - 1);
    }
    return changed;
}

pid_t start_child(ChildPlan& plan, void* stack_top, std::size_t stack_size, int cgroup_fd, int& pidfd) {
    if (cgroup_fd >= 0) {
        const pid_t pid = clone_into_cgroup(plan, stack_top, stack_size, cgroup_fd, pidfd);
        // Container engines filter clone3 away as if the kernel did not have it; then the child joins by
        // itself, which costs the kernel some milliseconds.
        if (pid >= 0 || errno != ENOSYS) return pid;
        plan.cgroup_procs = ::openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (plan.cgroup_procs < 0) return -1;
    }
    const pid_t pid = ::clone(run_plan, stack_top, sharing | SIGCHLD, &plan, &pidfd);
    if (plan.cgroup_procs >= 0) {
        const int error = errno;
        ::close(plan.cgroup_procs);
        errno = error;
    }
    return pid;
}

}  // namespace pmctl
