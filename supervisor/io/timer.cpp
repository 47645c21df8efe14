#include "supervisor/io/timer.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace pmctl {

Timer::Timer(Loop& loop, std::function<void()> callback)
    : loop_(loop),
      callback_(std::move(callback)),
      fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
    if (fd_ < 0) throw std::system_error(errno, std::system_category(), "timerfd_create");
    const auto watched = loop_.watch(fd_, EPOLLIN, [this](std::uint32_t) {
        std::uint64_t count = 0;
        if (::read(fd_, &count, sizeof count) < 0) return;  // set anew meanwhile
        when_ = TimePoint::max();
        callback_();
    });
    if (!watched) {
        ::close(fd_);
        throw std::system_error(ENOMEM, std::system_category(), watched.error().message);
    }
}

Timer::~Timer() {
    loop_.unwatch(fd_);
    ::close(fd_);
}

void Timer::set(TimePoint when) {
    if (when == when_) return;
    when_ = when;
    itimerspec spec{};
    if (when != TimePoint::max()) {
        // timerfd_create(2): all zero would disarm it, and negative times are refused.
        const auto since_boot = std::max<std::int64_t>(when.time_since_epoch().count(), 1);
        spec.it_value.tv_sec = since_boot / 1'000'000'000;
        spec.it_value.tv_nsec = since_boot % 1'000'000'000;
    }
    ::timerfd_settime(fd_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Timer::clear() {
    set(TimePoint::max());
}

}  // namespace pmctl
