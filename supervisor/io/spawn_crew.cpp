#include "supervisor/io/spawn_crew.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace pmctl {

Result<std::unique_ptr<SpawnCrew>> SpawnCrew::make(const ChildDefaults& defaults, const std::string& scope) {
    const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1U, most_spawners);
    std::vector<Spawner> spawners;
    spawners.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
        auto spawner = Spawner::make(defaults, scope);
        // One is enough where there are few descriptors.
        if (!spawner && spawners.empty()) return tl::unexpected(spawner.error());
        if (!spawner) break;
        spawners.push_back(std::move(*spawner));
    }
    if (auto lent = defaults.oom_score ? LentOomScore::make(*defaults.oom_score) : nullptr) {
        for (Spawner& each : spawners) each.lend(lent);
    }
    return std::unique_ptr<SpawnCrew>(new SpawnCrew(std::move(spawners)));
}

SpawnCrew::~SpawnCrew() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    for_threads_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

// False: there are fewer than there could be, which is tried again with the next jobs.
bool SpawnCrew::start_threads() {
    try {
        while (threads_.size() + 1 < spawners_.size()) {
            Spawner& spawner = spawners_[threads_.size() + 1];
            threads_.emplace_back([this, &spawner] { work(spawner); });
        }
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

void SpawnCrew::spawn(std::span<SpawnJob> jobs) {
    if (jobs.size() > 1) static_cast<void>(start_threads());
    std::unique_lock lock(mutex_);
    jobs_ = jobs;
    next_ = 0;
    unfinished_ = jobs.size();
    if (jobs.size() > 1) for_threads_.notify_all();
    take_jobs(own(), lock);
    for_caller_.wait(lock, [this] { return unfinished_ == 0; });
    jobs_ = {};
    next_ = 0;
}

void SpawnCrew::work(Spawner& spawner) {
    std::unique_lock lock(mutex_);
    for (;;) {
        for_threads_.wait(lock, [this] { return ending_ || next_ < jobs_.size(); });
        if (ending_) return;
        take_jobs(spawner, lock);
    }
}

void SpawnCrew::take_jobs(Spawner& spawner, std::unique_lock<std::mutex>& lock) {
    while (next_ < jobs_.size()) {
        SpawnJob& job = jobs_[next_++];
        lock.unlock();
        job.outcome = spawner.spawn(*job.request, job.fds, job.cgroup_fd);
        lock.lock();
        if (--unfinished_ == 0) for_caller_.notify_one();
    }
}

}  // namespace pmctl
