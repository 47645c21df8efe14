// The marks from which `pmctl report` is computed, as they are made. What they mean is core/report's.
#include <utility>

#include "supervisor/supervisor.hpp"

namespace pmctl {

namespace {

// By so much at most the end of a supervisor that was killed is known too early, where there are checks:
// nobody is woken for it.
constexpr Duration sign_of_life = std::chrono::minutes(1);

}  // namespace

void Supervisor::mark(const std::string& name, MarkKind kind, Now now, Duration took) {
    if (!watching_) return;
    const bool is_first = marked_at_ == WallTime{};
    marked_at_ = now.wall;
    if (is_first) mark("", MarkKind::SupervisorStarts, now);
    effects_.store({.kind = StoreWrite::Kind::AppendMark, .mark = {now.wall, name, kind, took}});
}

void Supervisor::mark(const Member& member, const Counted& counted, Now now) {
    if (counted.failed) mark(member.log_name, MarkKind::Failed, now);
    if (counted.now) mark(member.log_name, *counted.now, now);
}

// At the end of each turn.
void Supervisor::keep_watch(Now now) {
    // Also where the clock was set back.
    const Duration silence = now.wall - marked_at_;
    if (silence >= sign_of_life || silence < Duration::zero()) mark("", MarkKind::SupervisorLives, now);
}

void Supervisor::end_watch(Now now) {
    mark("", MarkKind::SupervisorEnds, now);
    watching_ = false;
}

}  // namespace pmctl
