// Limits on open descriptors: raised for the supervisor, remembered for its children, and one descriptor held
// back so that a full table can still be told about. Limits of a single child are spawn's.
#pragma once

#include <sys/resource.h>

#include "shared/result.hpp"

namespace pmctl {

// Sets the soft RLIMIT_NOFILE to the hard one (setrlimit(2)) and returns what it was before, which is what
// children get: programs that use select(2) break where the soft limit is over 1024.
Result<rlimit> raise_file_limit();

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
