#include "supervisor/core/run.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <utility>

namespace pmctl {

namespace {

// signal(7), x86-64 and ARM numbering comes from <csignal>.
constexpr std::array<std::pair<int, std::string_view>, 31> signals{{
    {SIGHUP, "HUP"},       {SIGINT, "INT"},   {SIGQUIT, "QUIT"},   {SIGILL, "ILL"},   {SIGTRAP, "TRAP"},
    {SIGABRT, "ABRT"},     {SIGBUS, "BUS"},   {SIGFPE, "FPE"},     {SIGKILL, "KILL"}, {SIGUSR1, "USR1"},
    {SIGSEGV, "SEGV"},     {SIGUSR2, "USR2"}, {SIGPIPE, "PIPE"},   {SIGALRM, "ALRM"}, {SIGTERM, "TERM"},
    {SIGSTKFLT, "STKFLT"}, {SIGCHLD, "CHLD"}, {SIGCONT, "CONT"},   {SIGSTOP, "STOP"}, {SIGTSTP, "TSTP"},
    {SIGTTIN, "TTIN"},     {SIGTTOU, "TTOU"}, {SIGURG, "URG"},     {SIGXCPU, "XCPU"}, {SIGXFSZ, "XFSZ"},
    {SIGVTALRM, "VTALRM"}, {SIGPROF, "PROF"}, {SIGWINCH, "WINCH"}, {SIGIO, "IO"},     {SIGPWR, "PWR"},
    {SIGSYS, "SYS"},
}};
constexpr int last_signal = 64;

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

RunActions kill(Run& run, Now now) {
    run.stop_stage = StopStage::Killed;
    run.deadline = now.steady + kill_patience;
    return {.signal = SIGKILL};
}

RunActions tell_to_end(Run& run, Now now) {
    run.stop_stage = StopStage::Told;
    run.deadline = now.steady + run.stop_timeout;
    return {.signal = run.stop_signal};
}

RunActions stop(Run& run, const StopOrder& order, Now now, const Policy& policy) {
    run.phase = Phase::Stopping;
    run.next_check = TimePoint::max();
    run.healthy_since.reset();
    run.stop_cause = order.cause;
    if (order.at_once) return kill(run, now);
    run.stop_signal = policy.stop_signal;
    run.stop_timeout = policy.stop_timeout;
    if (order.drain <= Duration::zero()) return tell_to_end(run, now);
    run.stop_stage = StopStage::Draining;
    run.deadline = now.steady + order.drain;
    return {};
}

// An order while it stops already changes what follows, and may end the grace.
RunActions stop_again(Run& run, const StopOrder& order, Now now) {
    run.stop_cause = order.cause;
    return order.at_once && run.stop_stage != StopStage::Killed ? stop(run, order, now, {}) : RunActions{};
}

RunActions on_routes_left(Run& run, const RoutesLeft& left, Now now) {
    if (!is_draining(run)) return {};
    run.deadline = std::min(run.deadline, left.by);
    return now.steady >= run.deadline ? tell_to_end(run, now) : RunActions{};
}

void become_healthy(Run& run, Now now) {
    run.phase = Phase::Running;
    run.deadline = TimePoint::max();
    run.was_healthy = true;
    run.healthy_since = now.steady;
}

RunActions on_check(Run& run, const GoodOrBad& check, Now now, const Policy& policy) {
    const HealthSettings& health = policy.health;
    // One that was under way when an order came, or when the checks were turned off.
    const bool counts =
        run.phase == Phase::Starting || run.phase == Phase::Running || run.phase == Phase::Unhealthy;
    if (!counts || health.kind == HealthKind::None) return {};
    ++run.checks;
    run.last_check = LastCheck{check.result, now.wall};
    if (check.result.inconclusive) {
        run.next_check = run.phase == Phase::Starting ? now.steady + starting_check_delay(run.checks, health)
                                                      : end_of_slot(now.steady + health.retry_interval);
        // One that served under an earlier supervisor is not to end because this one cannot ask.
        if (run.phase == Phase::Starting && run.was_healthy)
            run.deadline = std::max(run.deadline, run.next_check + health.timeout + health.retry_interval);
        return {};
    }
    const bool ok = check.result.ok;
    run.streak.add(ok);
    switch (run.phase) {
        case Phase::Starting:
            if (ok) {
                become_healthy(run, now);
                run.next_check =
                    end_of_slot(now.steady + steady_check_delay(true, true, check.spread, health));
            } else {
                run.next_check = now.steady + starting_check_delay(run.checks, health);
            }
            return {};
        case Phase::Running:
        case Phase::Unhealthy:
            if (ok && run.phase == Phase::Unhealthy && run.streak.good >= health.healthy_after) {
                become_healthy(run, now);
            }
            if (!ok && run.streak.bad >= health.restart_after) {
                return stop(run, {.cause = StopCause::Unhealthy}, now, policy);
            }
            if (!ok && run.streak.bad >= health.unhealthy_after) {
                run.phase = Phase::Unhealthy;
                run.healthy_since.reset();
            }
            run.next_check = end_of_slot(
                now.steady + steady_check_delay(ok && run.phase == Phase::Running, false, 0, health));
            return {};
        case Phase::Unknown:
        case Phase::Stopping:
        case Phase::Stopped:
        case Phase::Failed: break;
    }
    return {};
}

RunActions on_deadline(Run& run, Now now, const Policy& policy) {
    switch (run.phase) {
        case Phase::Starting:
            if (now.steady >= run.deadline) return stop(run, {.cause = StopCause::StartTimeout}, now, policy);
            break;
        case Phase::Stopping:
            if (now.steady < run.deadline) return {};
            switch (run.stop_stage) {
                case StopStage::Draining: return tell_to_end(run, now);
                case StopStage::Told: return kill(run, now);
                case StopStage::Killed: break;
            }
            run.phase = Phase::Failed;
            run.deadline = TimePoint::max();
            return {};
        case Phase::Unknown:
        case Phase::Running:
        case Phase::Unhealthy: break;
        case Phase::Stopped:
        case Phase::Failed: return {};
    }
    if (now.steady < run.next_check) return {};
    run.next_check = TimePoint::max();
    return {.check = true};
}

}  // namespace

std::string_view to_text(Phase phase) {
    switch (phase) {
        case Phase::Unknown: return "Unknown";
        case Phase::Starting: return "Starting";
        case Phase::Running: return "Running";
        case Phase::Unhealthy: return "Unhealthy";
        case Phase::Stopping: return "Stopping";
        case Phase::Stopped: return "Stopped";
        case Phase::Failed: return "Failed";
    }
    return "";
}

std::string signal_name(int number) {
    for (const auto& [value, name] : signals) {
        if (value == number) return "SIG" + std::string(name);
    }
    return "signal " + std::to_string(number);
}

std::optional<int> signal_number(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) {
        return number >= 1 && number <= last_signal ? std::optional(number) : std::nullopt;
    }
    std::string upper(text);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    if (upper.starts_with("SIG")) upper.erase(0, 3);
    for (const auto& [value, name] : signals) {
        if (name == upper) return value;
    }
    return std::nullopt;
}

std::string describe(const ExitStatus& status) {
    switch (status.kind) {
        case ExitStatus::Kind::Code: return "exited with " + std::to_string(status.value);
        case ExitStatus::Kind::Signal: return "killed by " + signal_name(status.value);
        case ExitStatus::Kind::Unknown: return "ended, exit status unknown";
    }
    return "";
}

bool is_live(const Run& run) {
    return !run.exit;
}

bool is_draining(const Run& run) {
    return is_live(run) && run.phase == Phase::Stopping && run.stop_stage == StopStage::Draining;
}

Run begin_run(RunNumber number, int pid, std::uint16_t port, Now now, const HealthSettings& health) {
    Run run;
    run.number = number;
    run.pid = pid;
    run.port = port;
    run.started = now.steady;
    run.started_at = now.wall;
    if (health.kind == HealthKind::None) {
        become_healthy(run, now);
    } else {
        run.deadline = now.steady + health.startup_timeout;
        run.next_check = now.steady;
    }
    return run;
}

Run adopt_run(RunNumber number, int pid, std::uint16_t port, Duration age, bool was_healthy, Now now,
              const HealthSettings& health) {
    Run run = begin_run(number, pid, port, now, health);
    run.started -= age;
    run.started_at -= age;
    run.was_healthy = run.was_healthy || was_healthy;
    if (health.kind != HealthKind::None && was_healthy) {
        const Duration each = health.timeout + health.retry_interval;
        run.deadline = std::min(run.deadline, now.steady + health.restart_after * each);
    }
    return run;
}

RunActions step(Run& run, const RunEvent& event, Now now, const Policy& policy) {
    if (!is_live(run)) return {};
    return std::visit(Overloaded{
                          [&](const GoodOrBad& check) { return on_check(run, check, now, policy); },
                          [&](const StopOrder& order) -> RunActions {
                              const bool going = run.phase == Phase::Stopping || run.phase == Phase::Failed;
                              return going ? stop_again(run, order, now) : stop(run, order, now, policy);
                          },
                          [&](const RoutesLeft& left) { return on_routes_left(run, left, now); },
                          [&](const ProcessExited& end) -> RunActions {
                              run.phase = run.phase == Phase::Stopping ? Phase::Stopped : Phase::Failed;
                              run.exit = end.status;
                              run.deadline = run.next_check = TimePoint::max();
                              run.healthy_since.reset();
                              return {.ended = true};
                          },
                          [&](const DeadlinePassed&) { return on_deadline(run, now, policy); },
                      },
                      event);
}

TimePoint next_deadline(const Run& run) {
    return is_live(run) ? std::min(run.deadline, run.next_check) : TimePoint::max();
}

}  // namespace pmctl
