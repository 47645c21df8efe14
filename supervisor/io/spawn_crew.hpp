// Starts several processes at a time: one Spawner a processor, up to a few, each on a thread of its own. A
// start blocks its thread until the program is executed (vfork), and most of that is the kernel's work, which
// another processor can do for the next one meanwhile. How one process is started is the Spawner's.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "shared/result.hpp"
#include "supervisor/io/spawn.hpp"

namespace pmctl {

struct SpawnJob {
    const SpawnRequest* request = nullptr;
    SpawnFds fds;
    int cgroup_fd = -1;
    tl::expected<Child, SpawnFailure> outcome = tl::unexpected(SpawnFailure{});
};

class SpawnCrew {
  public:
    // More of them would wait for one another in the kernel.
    static constexpr unsigned most_spawners = 4;

    // `defaults` and `scope`: as Spawner::make has them, and as early.
    static Result<std::unique_ptr<SpawnCrew>> make(const ChildDefaults& defaults, const std::string& scope);
    ~SpawnCrew();
    SpawnCrew(const SpawnCrew&) = delete;
    SpawnCrew& operator=(const SpawnCrew&) = delete;

    // Gives each job its outcome. A single one is done here; for more, threads are started the first time,
    // and where the machine allows no more of those, this one does it all.
    void spawn(std::span<SpawnJob> jobs);
    // The one that works on the caller's thread: for single starts between.
    Spawner& own() { return spawners_.front(); }

  private:
    explicit SpawnCrew(std::vector<Spawner> spawners) : spawners_(std::move(spawners)) {}
    bool start_threads();
    void work(Spawner& spawner);
    // Takes jobs until none is left. `lock` is held but for the starts themselves.
    void take_jobs(Spawner& spawner, std::unique_lock<std::mutex>& lock);

    std::vector<Spawner> spawners_;
    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable for_threads_;
    std::condition_variable for_caller_;
    std::span<SpawnJob> jobs_;
    std::size_t next_ = 0;  // the first of jobs_ that nobody has taken
    std::size_t unfinished_ = 0;
    bool ending_ = false;
};

}  // namespace pmctl
