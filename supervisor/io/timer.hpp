// One timer of the kernel's in the loop, for an owner that keeps its deadlines in order itself. What is due
// then is the owner's.
#pragma once

#include <functional>

#include "shared/time.hpp"
#include "supervisor/io/loop.hpp"

namespace pmctl {

class Timer {
  public:
    // Throws std::system_error where the kernel gives no timerfd.
    Timer(Loop& loop, std::function<void()> callback);
    ~Timer();
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    // One wish: a new one replaces the last, the same one costs nothing. A moment that has passed is due in
    // the next turn of the loop, never within this call.
    void set(TimePoint when);
    void clear();

  private:
    Loop& loop_;
    std::function<void()> callback_;
    int fd_;
    TimePoint when_ = TimePoint::max();  // max(): not set
};

}  // namespace pmctl
