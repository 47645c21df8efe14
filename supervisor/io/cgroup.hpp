// Limits and clean ends by cgroup v2 (the kernel's Documentation/admin-guide/cgroup-v2.rst), where a part of
// the tree is delegated to the supervisor: one group a run. Which runs want one is the caller's to say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/result.hpp"
#include "supervisor/core/config.hpp"
#include "supervisor/core/group_limits.hpp"
#include "supervisor/core/run.hpp"

namespace pmctl {

// The folder of one run's group, open for the child to be born into.
class RunCgroup {
  public:
    RunCgroup(std::string folder, int fd) : folder_(std::move(folder)), fd_(fd) {}
    ~RunCgroup();
    RunCgroup(RunCgroup&& other) noexcept;
    RunCgroup& operator=(RunCgroup&& other) noexcept;

    // One that is there already, of an earlier supervisor.
    static Result<RunCgroup> reopen(std::string folder);

    int fd() const { return fd_; }
    const std::string& folder() const { return folder_; }
    // SIGKILL to every process in it (cgroup.kill, Linux 5.14), however it was started.
    void kill() const;
    // Why its processes may have ended: that the kernel killed here because memory.max was reached
    // (memory.events: oom_kill), or "".
    std::string end_note() const;
    // False while a process lives in it (EBUSY): to be asked again when one has ended.
    bool remove();

  private:
    std::string folder_;
    int fd_ = -1;
};

struct CgroupControllers {
    bool memory = false;
    bool cpu = false;
    bool pids = false;

    bool any() const { return memory || cpu || pids; }
    bool operator==(const CgroupControllers&) const = default;
};

class Cgroups {
  public:
    // Finds the supervisor's own group, moves the supervisor into a leaf of it ("no internal processes") and
    // turns the controllers on for its siblings. Error: one sentence why there are no cgroup limits here.
    static Result<Cgroups> find();
    // The same in a folder of a cgroup2 file system that is known to be free for use; no controller is asked
    // for, and the supervisor is not moved.
    static Result<Cgroups> at(std::string folder);

    // What these keep, and why not all.
    GroupLimits limits() const;

    // Makes "run-<log_name>-<run>" with those of these limits for which there is a controller. Error: which
    // limit could not be set.
    Result<RunCgroup> make(std::string_view log_name, RunNumber run, const LimitSettings& limits) const;
    // Its folder, whether it is there or not.
    std::string folder_of(std::string_view log_name, RunNumber run) const;

  private:
    Cgroups(std::string folder, CgroupControllers controllers)
        : folder_(std::move(folder)), controllers_(controllers) {}

    std::string folder_;
    CgroupControllers controllers_;
};

// The pure parts. Where one's own cgroup is in the file system: `own` as /proc/self/cgroup, `mounts` as
// /proc/self/mountinfo (proc(5)); nothing without cgroup v2 or where the mount does not show it.
std::optional<std::string> cgroup_folder(std::string_view own, std::string_view mounts);
// "memory cpu pids io\n" → what we know of it.
CgroupControllers parse_controllers(std::string_view text);
// 1.5 cores → "150000 100000": microseconds a period (cpu.max).
std::string cpu_max(double cores);
// The value of one key in a file of "key value" lines; 0 where it has none.
std::uint64_t keyed_value(std::string_view text, std::string_view key);

}  // namespace pmctl
