// Starts one process from a SpawnRequest: prepares everything in the supervisor, lets the child's side run
// (spawn_child), and says by name and object which step failed. Watching and ending the process is the
// ProcessTable's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/result.hpp"
#include "supervisor/effects.hpp"
#include "supervisor/io/identity.hpp"
#include "supervisor/io/lent_oom_score.hpp"
#include "supervisor/io/limits.hpp"

namespace pmctl {

// Both are the receiver's: the pidfd to close, the process to wait for.
struct Child {
    pid_t pid = -1;
    int pidfd = -1;                 // close-on-exec
    std::uint64_t start_ticks = 0;  // as proc_pid_stat(5) will say it; 0: not known
};

// Stay the caller's; -1: /dev/null.
struct SpawnFds {
    int stdout_fd = -1;
    int stderr_fd = -1;
    std::vector<int> listen_fds;  // become 3, 4 ... with LISTEN_PID and LISTEN_FDS, as in sd_listen_fds(3)
};

class Spawner {
  public:
    static constexpr std::size_t most_listen_fds = 4;

    // `scope`: as in run_tag.hpp. To be made first of all, while low descriptors are free: a spawn copies
    // those below its own. Error: no descriptors or memory left.
    static Result<Spawner> make(const ChildDefaults& defaults, std::string scope);
    ~Spawner();
    Spawner(Spawner&& other) noexcept;
    Spawner& operator=(Spawner&&) = delete;

    // Children are born with their oom_score_adj, and do not set it.
    void lend(std::shared_ptr<LentOomScore> lent) { lent_ = std::move(lent); }

    // Returns when the program has been executed. `cgroup_fd`: the folder of the cgroup that the child is
    // born into, or -1. Adds to request.env: PMCTL_RUN, LISTEN_*, and HOME, USER, LOGNAME and SHELL of a
    // `user` where the environment has none but the supervisor's own. The child has its own session, a signal
    // mask and dispositions as after boot, and no descriptor but those given. Several Spawners may work at a
    // time, each on a thread of its own.
    tl::expected<Child, SpawnFailure> spawn(const SpawnRequest& request, const SpawnFds& fds,
                                            int cgroup_fd = -1);

  private:
    struct Prepared;  // texts that the child's pointers point into

    Spawner(const ChildDefaults& defaults, std::string scope);
    Result<void> reserve();
    bool set_slots(const SpawnFds& fds);
    void clear_slots(const SpawnFds& fds);
    void prepare_env(const SpawnRequest& request, const SpawnFds& fds, const Identity& identity,
                     Prepared& into) const;
    SpawnFailure describe(const SpawnRequest& request, const Prepared& prepared) const;

    rlimit file_limit_;
    std::string oom_score_;  // "": the supervisor's own
    std::shared_ptr<LentOomScore> lent_;
    std::string scope_;
    bool dumpable_ = false;  // the supervisor's memory, before any start
    std::map<std::string, std::string, std::less<>> own_env_;
    Identities identities_;
    std::optional<std::uint64_t> changed_signals_;  // whose disposition is not the default
    void* stack_ = nullptr;
    int first_slot_ = -1;  // these always hold /dev/null between spawns
};

}  // namespace pmctl
