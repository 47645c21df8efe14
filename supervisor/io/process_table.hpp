// The processes that live, by run: hears of their ends, signals their groups, and leaves nothing of them
// behind: neither members of their group, nor processes that left it, nor zombies. Starting them is spawn's,
// what an end means is the Supervisor's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "shared/result.hpp"
#include "supervisor/core/run.hpp"
#include "supervisor/io/cgroup.hpp"
#include "supervisor/io/group_ends.hpp"
#include "supervisor/io/late_ends.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/spawn.hpp"
#include "supervisor/io/strays.hpp"

namespace pmctl {

// Orphans: a process whose parent has ended becomes a child of the supervisor (PR_SET_CHILD_SUBREAPER, or
// since the supervisor is PID 1). A sweep, asked for by the end of any child and run once for many, reads the
// supervisor's children, reaps those that have ended, and kills those whose run has (run_tag). One whose run
// lives is left alone and remembered; one of nobody's is left alone until it ends.
//
// Runs of an earlier supervisor are adopted: their processes, and those that these leave, are children of
// another one, of process 1 mostly. All is as with one's own, but that their exit status comes when that one
// has taken note (late_ends.hpp), and that their orphans are found by a look at all processes (strays.hpp).
class ProcessTable {
  public:
    using RunEnded = std::function<void(RunNumber, ExitStatus)>;
    using Ended = std::function<void(ExitStatus)>;

    // From the end of a child to the sweep: long enough for the crash to have been answered, and for a
    // thousand ends to share one.
    static constexpr Duration sweep_delay = std::chrono::milliseconds(50);

    // Makes the process a subreaper, and SIGCHLD blocked in this thread and counted; other threads are to
    // inherit that. `scope` is the Spawner's. To be made in the process's first thread, to which the kernel
    // gives orphans.
    static Result<std::unique_ptr<ProcessTable>> make(Loop& loop, std::string scope, RunEnded run_ended);
    ~ProcessTable();
    ProcessTable(const ProcessTable&) = delete;
    ProcessTable& operator=(const ProcessTable&) = delete;

    // Takes the child over. When it ends by itself, the rest of its group is killed before it is reaped, and
    // `run_ended` is called; once it was told to stop the rest has time to end, too. On error (no watch to be
    // had) the child is killed and reaped.
    Result<void> add(RunNumber run, Child child, std::unique_ptr<RunCgroup> cgroup = nullptr);
    // The same for a process that an earlier supervisor has started, which began in this tick since boot
    // (adoption.hpp). All that are to be adopted are, before the loop's first turn: in it children whose run
    // is not known are killed. On error the process is left as it is, and its descriptor is the caller's.
    Result<void> adopt(RunNumber run, Child leader, std::uint64_t start_ticks,
                       std::unique_ptr<RunCgroup> cgroup = nullptr);
    // A process that is no run's own, a check for example: the same, with a callback of its own.
    Result<void> add_other(Child child, Ended ended);

    // To the process group of a live run, and with SIGKILL to its cgroup and orphans. Others: nothing.
    void signal(RunNumber run, int signal_number);
    // The same, and from now on the run lives until the last of its group has ended: with SIGKILL, or before.
    void stop(RunNumber run, int signal_number);
    // The run has ended: its cgroup is killed and removed as soon as it is empty; its orphans at the sweep.
    void clean_up(RunNumber run);

    // Of a run that has ended before this supervisor began: the same. Null: it has no cgroup.
    void end_cgroup(std::unique_ptr<RunCgroup> cgroup);
    void end_strays(RunNumber run);

    // The last thing before the supervisor ends: the orphans of runs that have ended are killed and reaped
    // now, with no loop to wait for a sweep. Returns when none is left, or `patience` is over.
    void end_orphans(Duration patience);

    // Its leader lives, or is not known to have ended yet; or others of its group are given time to end.
    bool is_live(RunNumber run) const { return by_run_.contains(run) || group_ends_.contains(run); }
    // Of some run the leader has ended, and others are given time: a later supervisor could not tell them
    // from what a crash leaves.
    bool awaits_groups() const { return group_ends_.has_patience(); }
    // The folder of its cgroup; "": none.
    std::string cgroup_of(RunNumber run) const;
    // RunCgroup::end_note of its group, or "". To be asked before clean_up.
    std::string end_note(RunNumber run) const;
    std::size_t live() const { return by_run_.size() + group_ends_.size(); }

  private:
    enum class Told { Nothing, ToStop, Kill };
    struct Entry {
        int pidfd = -1;
        RunNumber run = 0;  // 0: an other
        Ended ended;        // of an other
        bool is_foreign = false;
        std::uint64_t start_ticks = 0;  // of a foreign one
        Told told = Told::Nothing;
    };

    ProcessTable(Loop& loop, std::string scope, RunEnded run_ended);
    Result<void> prepare();
    // Error: no watch is to be had. The child is as it was, and its descriptor is the caller's.
    Result<void> watch(Child child, Entry entry);
    Result<void> watch_or_kill(Child child, Entry entry);
    void on_end(pid_t pid);
    void on_foreign_end(pid_t pid, const Entry& entry);
    void on_group_end(GroupEnds::Group group);
    void ask_for_sweep();
    void sweep();
    bool meet_orphan(pid_t pid);  // false: there was no descriptor to look at it with
    bool has_ended_orphans() const;

    Loop& loop_;
    std::string scope_;
    RunEnded run_ended_;
    LateEnds late_ends_;
    GroupEnds group_ends_;
    Strays strays_;
    int signals_ = -1;  // signalfd: SIGCHLD
    int timer_ = -1;
    bool sweep_asked_ = false;
    std::unordered_map<pid_t, Entry> entries_;
    std::unordered_map<RunNumber, pid_t> by_run_;
    std::unordered_set<RunNumber> foreign_;         // adopted, and not cleaned up yet
    std::unordered_map<pid_t, RunNumber> orphans_;  // alive, with the run that they are of; 0: of nobody's
    std::unordered_map<RunNumber, std::unique_ptr<RunCgroup>> cgroups_;
    std::vector<std::unique_ptr<RunCgroup>> leaving_;  // cgroups that were not empty yet
    int looks_at_leaving_ = 0;                         // in a row
};

}  // namespace pmctl
