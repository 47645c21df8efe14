// What the supervisor asks of the kernel for itself, and what its children get instead: open descriptors, and
// who goes first where memory runs out; and one descriptor held back so that a full table can still be told
// about. Limits of a single child are spawn's.
#pragma once

#include <sys/resource.h>

#include <optional>

#include "shared/result.hpp"

namespace pmctl {

// Sets the soft RLIMIT_NOFILE to the hard one (setrlimit(2)) and returns what it was before, which is what
// children get: programs that use select(2) break where the soft limit is over 1024.
Result<rlimit> raise_file_limit();

// Of a supervisor that the kernel is to spare, proc_pid_oom_score_adj(5).
inline constexpr int spared_oom_score = -900;

// What children get where the supervisor began with `before`: that, but nothing below 0, which was meant for
// the supervisor alone. Where it is not spared (`spared`: its score is below 0 now), 100 more, as a service
// manager of a user has it (DefaultOOMScoreAdjust= in systemd-system.conf(5)).
int child_oom_score(int before, bool spared);

// Lowers this process's score to spared_oom_score, which takes CAP_SYS_RESOURCE, and returns what children
// get. No value where there is no such file: they get what this process has.
std::optional<int> spare_from_oom();

// What children get instead of the supervisor's own, unless their instance asks for something else.
struct ChildDefaults {
    rlimit files{};                // RLIMIT_NOFILE
    std::optional<int> oom_score;  // none: the supervisor's
};

// One descriptor kept in reserve: after EMFILE it is released for the one thing that must still work, and
// taken again afterwards.
class SpareDescriptor {
  public:
    SpareDescriptor();
    ~SpareDescriptor();
    SpareDescriptor(const SpareDescriptor&) = delete;
    SpareDescriptor& operator=(const SpareDescriptor&) = delete;

    // There was one, and it is free for use now.
    bool release();
    // Called when there may be room again; does nothing where the spare is held.
    void restore();
    bool held() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

}  // namespace pmctl
