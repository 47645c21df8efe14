// The floors that pmctl is measured against: bare loops which start, kill and replace a program with nothing
// around them, to be run beside pmctl's own in one program. Printing is the benchmark's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "shared/time.hpp"

namespace pmctl::bench {

// The file that static_child writes its first moment to, mapped into this process.
class Stamps {
  public:
    // Throws std::system_error.
    explicit Stamps(std::size_t slots);
    ~Stamps();
    Stamps(const Stamps&) = delete;
    Stamps& operator=(const Stamps&) = delete;

    const std::string& path() const { return path_; }
    // Waits until the child has written.
    TimePoint wait(std::size_t slot) const;
    bool written(std::size_t slot) const;
    void clear(std::size_t slot);

  private:
    std::string path_;
    volatile std::uint64_t* slots_ = nullptr;
    std::size_t bytes_ = 0;
};

// When the last of the first `count` slots was written: waits for all of them.
TimePoint last_of(const Stamps& stamps, std::size_t count);

enum class Start { Vfork, Clone3, PosixSpawn, Fork };
const char* name_of(Start way);

// Starts `program` so many times in a row, and kills and reaps them afterwards. Starts a second, the killing
// not counted. With `stamps` each child writes its slot, and the last one's first instruction is the end.
double starts_per_second(Start way, const std::string& program, std::size_t count,
                         const Stamps* stamps = nullptr);

// SIGKILL, wait for the pidfd, reap, start again (clone3): the time from the kill to the first instruction of
// the replacement, one for each round.
std::vector<Duration> kill_to_replacement(const std::string& program, std::size_t rounds);

// All killed at once, each replaced as its pidfd tells (epoll, clone3): replacements a second. `stamps`: as
// above, for the replacements.
double replacements_per_second(const std::string& program, std::size_t count, Stamps* stamps = nullptr);

}  // namespace pmctl::bench
