// SIGINT, SIGTERM and SIGHUP of a command that stays in front, as a descriptor to poll and a count. What an
// interrupt means is its reader's.
#pragma once

#include "shared/result.hpp"

namespace pmctl {

class Interrupts {
  public:
    // Before anything is started, so that none is missed; what is started gets its mask anew.
    static void block();
    static Result<Interrupts> open();
    Interrupts(Interrupts&& other) noexcept;
    Interrupts& operator=(Interrupts&&) = delete;
    ~Interrupts();

    int fd() const { return fd_; }  // readable: take()
    // Whether there was one more; never blocks. Both shell and kernel may send a SIGHUP when a terminal is
    // closed, so that it counts as the first one alone.
    bool take();
    // Something else has happened that is to count for one.
    void add() { ++count_; }
    int count() const { return count_; }

  private:
    explicit Interrupts(int fd) : fd_(fd) {}
    int fd_ = -1;
    int count_ = 0;
};

}  // namespace pmctl
