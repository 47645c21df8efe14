#include "supervisor/io/pidfd.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>
#include <optional>

#include "supervisor/io/proc_files.hpp"

namespace pmctl {

namespace {

// <linux/pidfd.h> of Linux 6.15, which Debian 12 does not have: struct pidfd_info as of its first version,
// PIDFD_INFO_EXIT and PIDFD_GET_INFO. The kernel takes any size from this one on (the ioctl's number holds
// it).
struct PidfdInfo {
    std::uint64_t mask = 0;  // what is asked for, and then what was told
    std::uint64_t cgroup_id = 0;
    std::uint32_t pid = 0;
    std::uint32_t tgid = 0;
    std::uint32_t parent_pid = 0;
    std::array<std::uint32_t, 8> credentials{};
    std::int32_t exit_code = 0;  // as waitpid(2) has it
};
static_assert(sizeof(PidfdInfo) == 64 && offsetof(PidfdInfo, exit_code) == 60);
constexpr std::uint64_t info_exit = std::uint64_t{1} << 3;
constexpr unsigned long get_info = _IOWR(0xFF, 11, PidfdInfo);

// <linux/pidfd.h> of Linux 6.9.
constexpr unsigned signal_process_group = 1U << 2;

ExitStatus from_wait_status(int status) {
    if (WIFSIGNALED(status)) return {ExitStatus::Kind::Signal, WTERMSIG(status)};
    return {ExitStatus::Kind::Code, WEXITSTATUS(status)};
}

ExitStatus from_siginfo(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return {ExitStatus::Kind::Code, info.si_status};
    return {ExitStatus::Kind::Signal, info.si_status};
}

// Nothing: not reaped yet, or this kernel does not tell.
std::optional<ExitStatus> from_info(int pidfd) {
    PidfdInfo info;
    info.mask = info_exit;
    if (::ioctl(pidfd, get_info, &info) != 0 || (info.mask & info_exit) == 0) return std::nullopt;
    return from_wait_status(info.exit_code);
}

// Nothing: this kernel cannot. False: errno says why it was not sent.
std::optional<bool> signal_exact_group(int pidfd, int signal_number) {
    if (::syscall(SYS_pidfd_send_signal, pidfd, signal_number, nullptr, signal_process_group) == 0)
        return true;
    if (errno == EINVAL || errno == ENOSYS) return std::nullopt;
    return false;
}

// Does the kernel tell us what it tells only those who may trace this zombie? Its file is not there any more
// (ENOENT), unless we may not even ask (proc_pid_exe(5)).
bool may_read(pid_t pid) {
    std::array<char, 8> ignored{};
    return ::readlink(fmt::format("/proc/{}/exe", pid).c_str(), ignored.data(), ignored.size()) >= 0 ||
           errno == ENOENT;
}

}  // namespace

Descriptor open_pidfd(pid_t pid) {
    return Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool has_ended(int pidfd, Duration wait) {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    pollfd each{pidfd, POLLIN, 0};
    return ::poll(&each, 1, static_cast<int>(std::clamp<std::int64_t>(ms, 0, INT_MAX))) > 0;
}

bool is_child(int pidfd) {
    siginfo_t ignored{};
    return ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &ignored, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

EndReport end_report(int pidfd, pid_t pid, std::uint64_t start_ticks) {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG | __WALL) == 0) {
        if (info.si_pid == 0) return {EndReport::Kind::NotYet, {}};
        return {EndReport::Kind::Known, from_siginfo(info)};
    }
    if (const auto told = from_info(pidfd)) return {EndReport::Kind::Known, *told};
    const auto stat = read_proc_stat(pid);
    const bool is_there = stat && stat->start_ticks == start_ticks;
    if (is_there && stat->state == 'Z' && (stat->wait_status != 0 || may_read(pid)))
        return {EndReport::Kind::Known, from_wait_status(stat->wait_status)};
    if (is_there) return {EndReport::Kind::NotYet, {}};
    // It may have been reaped since the last question.
    if (const auto told = from_info(pidfd)) return {EndReport::Kind::Known, *told};
    return {EndReport::Kind::Never, {}};
}

bool signal_process(int pidfd, int signal_number) {
    return ::syscall(SYS_pidfd_send_signal, pidfd, signal_number, nullptr, 0) == 0;
}

bool signal_group(int pidfd, pid_t leader, int signal_number) {
    if (const auto sent = signal_exact_group(pidfd, signal_number)) return *sent;
    // While the leader lives its number is its group's, and nobody else's.
    return !has_ended(pidfd) && ::kill(-leader, signal_number) == 0;
}

bool signal_left_group(int pidfd, pid_t leader, int signal_number) {
    if (const auto sent = signal_exact_group(pidfd, signal_number)) return *sent;
    return ::kill(-leader, signal_number) == 0;
}

bool has_members(int pidfd, pid_t leader) {
    return signal_left_group(pidfd, leader, 0) || errno == EPERM;
}

Result<Descriptor> descriptor_of(int pidfd, int fd) {
    Descriptor got(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, fd, 0)));
    if (got) return got;
    const ErrorKind kind = errno == EBADF   ? ErrorKind::NotFound
                           : errno == EPERM ? ErrorKind::Denied
                                            : ErrorKind::Failed;
    return fail(kind, std::strerror(errno));
}

}  // namespace pmctl
