#include "supervisor/io/process_table.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "supervisor/io/pidfd.hpp"
#include "supervisor/io/proc_files.hpp"
#include "supervisor/io/run_tag.hpp"

namespace pmctl {

namespace {

// After them only the kernel can be what holds it, and the end of any child is the next occasion.
constexpr int most_looks_at_leaving = 20;

ExitStatus to_status(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return {ExitStatus::Kind::Code, info.si_status};
    return {ExitStatus::Kind::Signal, info.si_status};
}

// The children of the first thread, which orphans are given to (find_new_reaper in the kernel). Nothing: no
// descriptors left, for now.
std::optional<std::vector<pid_t>> children() {
    const auto text = try_read_proc(fmt::format("/proc/self/task/{}/children", ::getpid()));
    if (!text) return std::nullopt;
    std::vector<pid_t> pids;
    const char* at = text->data();
    const char* const end = at + text->size();
    for (pid_t pid = 0; at < end; ++at) {
        const auto [next, error] = std::from_chars(at, end, pid);
        if (error != std::errc{}) break;
        pids.push_back(pid);
        at = next;  // a space, which the loop passes over
    }
    return pids;
}

}  // namespace

Result<std::unique_ptr<ProcessTable>> ProcessTable::make(Loop& loop, std::string scope, RunEnded run_ended) {
    std::unique_ptr<ProcessTable> table(new ProcessTable(loop, std::move(scope), std::move(run_ended)));
    if (auto prepared = table->prepare(); !prepared) return tl::unexpected(prepared.error());
    return table;
}

ProcessTable::ProcessTable(Loop& loop, std::string scope, RunEnded run_ended)
    : loop_(loop),
      scope_(std::move(scope)),
      run_ended_(std::move(run_ended)),
      late_ends_(loop, run_ended_),
      group_ends_(
          loop, [this](GroupEnds::Group group) { on_group_end(std::move(group)); },
          [this](pid_t pid) { orphans_.erase(pid); }),
      strays_(scope_) {}

ProcessTable::~ProcessTable() {
    for (auto& [pid, entry] : entries_) {
        loop_.unwatch(entry.pidfd);
        ::close(entry.pidfd);
    }
    for (const int fd : {signals_, timer_}) {
        loop_.unwatch(fd);
        if (fd >= 0) ::close(fd);
    }
}

Result<void> ProcessTable::prepare() {
    const auto failed = [](const char* call) {
        return fail(fmt::format("{}: {}", call, std::strerror(errno)));
    };
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return failed("prctl PR_SET_CHILD_SUBREAPER");
    // Ignored, as it may have been inherited, it would have the kernel reap the children with their status.
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    action.sa_flags = SA_NOCLDSTOP;
    ::sigaction(SIGCHLD, &action, nullptr);
    sigset_t child_ended;
    ::sigemptyset(&child_ended);
    ::sigaddset(&child_ended, SIGCHLD);
    ::pthread_sigmask(SIG_BLOCK, &child_ended, nullptr);
    signals_ = ::signalfd(-1, &child_ended, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals_ < 0) return failed("signalfd");
    timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer_ < 0) return failed("timerfd_create");

    auto watched = loop_.watch(signals_, EPOLLIN, [this](std::uint32_t) {
        std::array<signalfd_siginfo, 4> ignored{};  // there is one at most: SIGCHLD does not queue
        while (::read(signals_, ignored.data(), sizeof ignored) > 0) {
        }
        group_ends_.child_ended();
        ask_for_sweep();
    });
    if (!watched) return watched;
    return loop_.watch(timer_, EPOLLIN, [this](std::uint32_t) {
        std::uint64_t count = 0;
        if (::read(timer_, &count, sizeof count) < 0) return;
        sweep();
    });
}

Result<void> ProcessTable::add(RunNumber run, Child child, std::unique_ptr<RunCgroup> cgroup) {
    auto watched = watch_or_kill(child, {.run = run});
    if (cgroup) {
        if (watched)
            cgroups_[run] = std::move(cgroup);
        else
            leaving_.push_back(std::move(cgroup));
    }
    if (watched) by_run_[run] = child.pid;
    return watched;
}

Result<void> ProcessTable::add_other(Child child, Ended ended) {
    return watch_or_kill(child, {.ended = std::move(ended)});
}

Result<void> ProcessTable::adopt(RunNumber run, Child leader, std::uint64_t start_ticks,
                                 std::unique_ptr<RunCgroup> cgroup) {
    const bool is_foreign = !is_child(leader.pidfd);
    auto watched = watch(leader, {.run = run, .is_foreign = is_foreign, .start_ticks = start_ticks});
    if (!watched) return watched;
    by_run_[run] = leader.pid;
    if (is_foreign) foreign_.insert(run);
    if (cgroup) cgroups_[run] = std::move(cgroup);
    return {};
}

Result<void> ProcessTable::watch(Child child, Entry entry) {
    // A foreign process that is reaped, and not seen to have ended yet, may have had the same number.
    if (entries_.contains(child.pid)) on_end(child.pid);
    auto watched = loop_.watch(child.pidfd, EPOLLIN, [this, pid = child.pid](std::uint32_t) { on_end(pid); });
    if (!watched) return watched;
    entry.pidfd = child.pidfd;
    entries_[child.pid] = std::move(entry);
    return {};
}

Result<void> ProcessTable::watch_or_kill(Child child, Entry entry) {
    auto watched = watch(child, std::move(entry));
    if (!watched) {
        ::kill(-child.pid, SIGKILL);
        siginfo_t ignored{};
        ::waitid(P_PIDFD, static_cast<id_t>(child.pidfd), &ignored, WEXITED | __WALL);
        ::close(child.pidfd);
    }
    return watched;
}

void ProcessTable::on_end(pid_t pid) {
    const auto found = entries_.find(pid);
    if (found == entries_.end()) return;
    if (found->second.is_foreign) {
        loop_.unwatch(found->second.pidfd);
        const Entry entry = std::move(found->second);
        entries_.erase(found);
        return on_foreign_end(pid, entry);
    }
    // As long as the leader is not reaped, its number, which is its group's too, belongs to nobody else; once
    // it is, only members that are left hold it. So a group that is to go goes first.
    const bool was_told = found->second.told != Told::Nothing;
    if (!was_told) ::kill(-pid, SIGKILL);
    siginfo_t info{};
    ExitStatus status;
    if (::waitid(P_PIDFD, static_cast<id_t>(found->second.pidfd), &info, WEXITED | WNOHANG | __WALL) == 0) {
        if (info.si_pid == 0) return;  // not yet: the descriptor stays readable
        status = to_status(info);
    }
    // One that is closed now needs no word to the kernel: no child has it, since one that is being started
    // has executed its program.
    if (was_told) {
        loop_.unwatch(found->second.pidfd);
    } else {
        loop_.forget(found->second.pidfd);
    }
    Descriptor pidfd(found->second.pidfd);
    Entry ended = std::move(found->second);
    entries_.erase(found);
    if (ended.run != 0) {
        by_run_.erase(ended.run);
        if (!was_told) return run_ended_(ended.run, status);
        group_ends_.await({.run = ended.run,
                           .leader = pid,
                           .pidfd = std::move(pidfd),
                           .status = status,
                           .killed = ended.told == Told::Kill});
    } else if (ended.ended) {
        ended.ended(status);
    }
}

// Its number may be another one's already: only its descriptor is to be used.
void ProcessTable::on_foreign_end(pid_t pid, const Entry& entry) {
    by_run_.erase(entry.run);
    GroupEnds::Group group{.run = entry.run,
                           .leader = pid,
                           .pidfd = Descriptor(entry.pidfd),
                           .is_foreign = true,
                           .start_ticks = entry.start_ticks,
                           .killed = entry.told == Told::Kill};
    if (entry.told != Told::Nothing) return group_ends_.await(std::move(group));
    signal_group(entry.pidfd, pid, SIGKILL);
    on_group_end(std::move(group));
}

void ProcessTable::on_group_end(GroupEnds::Group group) {
    if (!group.is_foreign) return run_ended_(group.run, group.status);
    late_ends_.ask({group.run, group.leader, std::move(group.pidfd), group.start_ticks});
}

void ProcessTable::stop(RunNumber run, int signal_number) {
    if (const auto found = by_run_.find(run); found != by_run_.end())
        entries_.at(found->second).told = signal_number == SIGKILL ? Told::Kill : Told::ToStop;
    signal(run, signal_number);
}

void ProcessTable::signal(RunNumber run, int signal_number) {
    if (!is_live(run)) return;
    if (const auto found = by_run_.find(run); found == by_run_.end()) {
        group_ends_.signal(run, signal_number);
    } else if (const Entry& entry = entries_.at(found->second); entry.is_foreign) {
        signal_group(entry.pidfd, found->second, signal_number);
    } else {
        ::kill(-found->second, signal_number);
    }
    if (signal_number != SIGKILL) return;
    if (foreign_.contains(run)) {
        strays_.add(run);
        ask_for_sweep();
    }
    if (const auto group = cgroups_.find(run); group != cgroups_.end()) group->second->kill();
    for (const auto& [pid, of] : orphans_) {
        if (of == run) ::kill(pid, SIGKILL);  // our child, not reaped: the number is its own
    }
}

void ProcessTable::clean_up(RunNumber run) {
    if (const auto group = cgroups_.find(run); group != cgroups_.end()) {
        end_cgroup(std::move(group->second));
        cgroups_.erase(group);
    }
    if (foreign_.erase(run) > 0) strays_.add(run);
    ask_for_sweep();
}

void ProcessTable::end_cgroup(std::unique_ptr<RunCgroup> cgroup) {
    if (!cgroup) return;
    cgroup->kill();
    if (cgroup->remove()) return;
    leaving_.push_back(std::move(cgroup));
    looks_at_leaving_ = 0;
    ask_for_sweep();
}

void ProcessTable::end_strays(RunNumber run) {
    strays_.add(run);
    ask_for_sweep();
}

std::string ProcessTable::cgroup_of(RunNumber run) const {
    const auto group = cgroups_.find(run);
    return group == cgroups_.end() ? "" : group->second->folder();
}

std::string ProcessTable::end_note(RunNumber run) const {
    const auto group = cgroups_.find(run);
    return group == cgroups_.end() ? "" : group->second->end_note();
}

void ProcessTable::ask_for_sweep() {
    if (sweep_asked_) return;
    sweep_asked_ = true;
    itimerspec spec{};
    spec.it_value.tv_nsec = sweep_delay.count();
    ::timerfd_settime(timer_, 0, &spec, nullptr);
}

void ProcessTable::sweep() {
    sweep_asked_ = false;
    const auto pids = children();
    bool all_met = pids.has_value();
    for (const pid_t pid : pids.value_or(std::vector<pid_t>{})) {
        if (entries_.find(pid) == entries_.end()) all_met = meet_orphan(pid) && all_met;
    }
    std::erase_if(leaving_, [](const auto& group) { return group->remove(); });
    // The end of a foreign process makes no SIGCHLD.
    looks_at_leaving_ = leaving_.empty() ? 0 : looks_at_leaving_ + 1;
    const bool again = !leaving_.empty() && looks_at_leaving_ <= most_looks_at_leaving;
    // Nobody's end need follow that would have it look again.
    if (strays_.kill() || again || !all_met) ask_for_sweep();
}

bool ProcessTable::has_ended_orphans() const {
    return std::any_of(orphans_.begin(), orphans_.end(),
                       [this](const auto& orphan) { return orphan.second != 0 && !is_live(orphan.second); });
}

void ProcessTable::end_orphans(Duration patience) {
    const TimePoint until = Loop::now().steady + patience;
    strays_.end(until);
    sweep();
    while (has_ended_orphans() || !leaving_.empty()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Loop::now().steady).count();
        pollfd ended{signals_, POLLIN, 0};
        if (left <= 0 || ::poll(&ended, 1, static_cast<int>(left)) <= 0) return;
        signalfd_siginfo taken{};
        while (::read(signals_, &taken, sizeof taken) == sizeof taken) {
        }
        sweep();
    }
}

bool ProcessTable::meet_orphan(pid_t pid) {
    siginfo_t info{};
    const int waited = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | __WALL);
    if (waited != 0 || info.si_pid == pid) {  // reaped, or another thread's to reap
        orphans_.erase(pid);
        return true;
    }
    auto known = orphans_.find(pid);
    if (known == orphans_.end()) {
        // What could not be read is not taken for nobody's: that would be remembered until it ends.
        const auto environment = try_read_proc(fmt::format("/proc/{}/environ", pid));
        if (!environment) return false;
        const auto tag = read_run_tag(scope_, *environment);
        known = orphans_.emplace(pid, tag ? tag->run : 0).first;
    }
    // Its end sends SIGCHLD, and asks for the sweep that reaps it and finds what it leaves.
    if (known->second != 0 && !is_live(known->second)) ::kill(pid, SIGKILL);
    return true;
}

}  // namespace pmctl
