// Waits for the end of a process that is not a child: pidfd_open(2).
#pragma once

#include <sys/types.h>

#include "shared/time.hpp"

namespace pmctl {

class ProcessWatch {
  public:
    ProcessWatch() = default;
    // While it lives: from then on the number of another process is never taken for it.
    explicit ProcessWatch(pid_t pid);
    ProcessWatch(ProcessWatch&& other) noexcept;
    ProcessWatch& operator=(ProcessWatch&& other) noexcept;
    ~ProcessWatch();

    // False when it lives on after `limit`; zero: no limit. True at once where it cannot be watched.
    bool await_end(Duration limit) const;

  private:
    int fd_ = -1;
};

}  // namespace pmctl
