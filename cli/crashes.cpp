#include "cli/crashes.hpp"

#include <sys/wait.h>

#include <csignal>
#include <cstring>

namespace pmctl {

namespace {

constexpr Duration first_delay = std::chrono::milliseconds(500);

}  // namespace

bool is_crash(int status, bool closed) {
    if (WIFSIGNALED(status)) return WTERMSIG(status) != SIGTERM;
    return WEXITSTATUS(status) != 0 && !closed;
}

std::string words_on_end(int status) {
    if (!WIFSIGNALED(status)) return "ended with status " + std::to_string(WEXITSTATUS(status));
    const int number = WTERMSIG(status);
    const char* name = ::sigabbrev_np(number);  // NULL for the real-time ones
    return "was killed by signal " + std::to_string(number) +
           (name == nullptr ? "" : " (SIG" + std::string(name) + ")");
}

std::optional<Duration> Crashes::add(TimePoint now) {
    std::erase_if(recent_, [&](TimePoint each) { return now - each >= crash_window; });
    recent_.push_back(now);
    if (recent_.size() >= most_crashes) return std::nullopt;
    if (recent_.size() == 1) return Duration::zero();
    return first_delay * (1 << (recent_.size() - 2));
}

}  // namespace pmctl
