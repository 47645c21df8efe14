// What `pmctl up` makes of the end of its supervisor: whether it was a crash, in which words, and when the
// next one is started. Pure; the ends are seen and the starts done by cli/supervision.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/time.hpp"

namespace pmctl {

// `status`: as of waitpid(2). `closed`: its control socket's file is gone, which it removes after all its
// instances have stopped, so that nothing is lost with a process that fails after that. SIGTERM is an order
// too, where it comes before the supervisor takes signals.
bool is_crash(int status, bool closed);

// "was killed by signal 9 (SIGKILL)", "ended with status 1".
std::string words_on_end(int status);

inline constexpr std::size_t most_crashes = 5;  // within crash_window: then it is given up
inline constexpr Duration crash_window = std::chrono::minutes(1);

class Crashes {
  public:
    // Takes note of one. How long to wait before the next start: nothing after a first one, since no instance
    // is looked after meanwhile; then half a second, and twice that each further time within `crash_window`.
    // No value: give up.
    std::optional<Duration> add(TimePoint now);

  private:
    std::vector<TimePoint> recent_;
};

}  // namespace pmctl
