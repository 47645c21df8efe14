// The signals that are meant for the supervisor itself, read in the loop: signalfd(2). What they ask for is
// main's.
#pragma once

#include <functional>

#include "shared/result.hpp"
#include "supervisor/io/loop.hpp"

namespace pmctl {

// Blocks TERM, INT, HUP and USR1 in this thread and those it will start, and ignores PIPE: to be called
// before any thread is. Children get all of them back from their spawn.
void block_signals();

class Signals {
  public:
    // `arrived` is called with the number of each.
    static Result<Signals> open(Loop& loop, std::function<void(int)> arrived);
    ~Signals();
    Signals(Signals&& other) noexcept;
    Signals& operator=(Signals&&) = delete;

  private:
    Signals(Loop& loop, int fd) : loop_(loop), fd_(fd) {}

    Loop& loop_;
    int fd_;
};

}  // namespace pmctl
