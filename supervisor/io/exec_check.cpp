#include "supervisor/io/exec_check.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pmctl {

namespace {

constexpr int most_reads = 4;  // 64 KiB each: what a check printed before it ended

std::string describe_end(const ExitStatus& status) {
    switch (status.kind) {
        case ExitStatus::Kind::Code: return fmt::format("exited with {}", status.value);
        case ExitStatus::Kind::Signal: {
            const char* const name = ::sigabbrev_np(status.value);
            return name != nullptr ? fmt::format("killed by SIG{}", name)
                                   : fmt::format("killed by signal {}", status.value);
        }
        case ExitStatus::Kind::Unknown: return "ended, how is unknown";
    }
    return {};
}

}  // namespace

void LastLine::add(std::string_view piece) {
    while (!piece.empty()) {
        const auto end = piece.find('\n');
        const auto part = piece.substr(0, end);
        current_.append(part.substr(0, longest - std::min(longest, current_.size())));
        if (end == std::string_view::npos) return;
        if (current_.find_first_not_of(" \t\r") != std::string::npos) last_ = current_;
        current_.clear();
        piece.remove_prefix(end + 1);
    }
}

std::string LastLine::text() const {
    std::string line = current_.find_first_not_of(" \t\r") != std::string::npos ? current_ : last_;
    for (char& each : line) {
        if (static_cast<unsigned char>(each) < 0x20 || each == 0x7f) each = ' ';
    }
    line.erase(std::min(line.find_last_not_of(' ') + 1, line.size()));
    return line;
}

Result<std::unique_ptr<ExecChecks>> ExecChecks::make(Loop& loop, Spawner& spawner, ProcessTable& table,
                                                     Done done) {
    std::unique_ptr<ExecChecks> checks(new ExecChecks(loop, spawner, table, std::move(done)));
    checks->timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (checks->timer_ < 0) return fail(fmt::format("timerfd_create: {}", std::strerror(errno)));
    auto watched = loop.watch(checks->timer_, EPOLLIN, [self = checks.get()](std::uint32_t) {
        std::uint64_t count = 0;
        if (::read(self->timer_, &count, sizeof count) > 0) self->on_timer();
    });
    if (!watched) return tl::unexpected(watched.error());
    return checks;
}

ExecChecks::ExecChecks(Loop& loop, Spawner& spawner, ProcessTable& table, Done done)
    : loop_(loop), spawner_(spawner), table_(table), done_(std::move(done)) {}

ExecChecks::~ExecChecks() {
    *alive_ = false;
    for (auto& [number, check] : checks_) {
        close_output(check);
        ::kill(-check.pid, SIGKILL);
    }
    loop_.unwatch(timer_);
    if (timer_ >= 0) ::close(timer_);
}

// Never from within `start`: the Supervisor is in the middle of a step then.
void ExecChecks::answer_later(RunNumber run, CheckResult result) {
    loop_.later([this, alive = alive_, run, result = std::move(result)] {
        if (*alive) done_(run, result);
    });
}

void ExecChecks::start(const CheckRequest& request) {
    forget(request.run);
    const auto cannot = [&](const std::string& why) {
        answer_later(request.run, {false, fmt::format("cannot check: {}", why), Duration{}, true});
    };
    if (!request.exec) return cannot("no command");
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return cannot(std::strerror(errno));
    // The child's end blocks, as a program expects it; only ours must not.
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);

    const TimePoint started = Loop::now().steady;
    const auto child = spawner_.spawn(*request.exec, {ends[1], ends[1], {}});
    ::close(ends[1]);
    if (!child) {
        ::close(ends[0]);
        if (child.error().transient) return cannot(child.error().message);
        return answer_later(request.run, {false, child.error().message, Duration{}, false});
    }
    const Number number = ++last_number_;
    auto watched = loop_.watch(ends[0], EPOLLIN, [this, number](std::uint32_t) { read_output(number); });
    const int output = watched ? ends[0] : -1;
    if (!watched) ::close(ends[0]);
    auto added = table_.add_other(*child, [this, alive = alive_, number](const ExitStatus& status) {
        if (*alive) on_end(number, status);
    });
    if (!added) {
        if (output >= 0) {
            loop_.unwatch(output);
            ::close(output);
        }
        return cannot(added.error().message);
    }
    checks_[number] = {request.run, false, false, child->pid, output, request.timeout, started, {}};
    deadlines_.emplace(started + request.timeout, number);
    arm();
}

void ExecChecks::forget(RunNumber run) {
    for (auto& [number, check] : checks_) {
        if (check.run != run || check.forgotten) continue;
        check.forgotten = true;
        close_output(check);
        ::kill(-check.pid, SIGKILL);  // not reaped before on_end: the number is still its own
    }
}

void ExecChecks::read_output(Number number) {
    const auto found = checks_.find(number);
    if (found == checks_.end() || found->second.output < 0) return;
    Check& check = found->second;
    std::array<char, 65536> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): read into
    const ssize_t got = ::read(check.output, buffer.data(), buffer.size());
    if (got > 0)
        check.said.add({buffer.data(), static_cast<std::size_t>(got)});
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        close_output(check);
}

void ExecChecks::close_output(Check& check) {
    if (check.output < 0) return;
    loop_.unwatch(check.output);
    ::close(check.output);
    check.output = -1;
}

void ExecChecks::on_timer() {
    const TimePoint now = Loop::now().steady;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        const auto found = checks_.find(deadlines_.begin()->second);
        deadlines_.erase(deadlines_.begin());
        if (found == checks_.end()) continue;
        found->second.timed_out = true;
        ::kill(-found->second.pid, SIGKILL);
    }
    arm();
}

void ExecChecks::arm() {
    itimerspec spec{};
    if (!deadlines_.empty()) {
        const auto since_boot = deadlines_.begin()->first.time_since_epoch().count();
        spec.it_value.tv_sec = since_boot / 1'000'000'000;
        spec.it_value.tv_nsec = since_boot % 1'000'000'000;
    }
    ::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void ExecChecks::on_end(Number number, const ExitStatus& status) {
    const auto found = checks_.find(number);
    if (found == checks_.end()) return;
    // What it printed is in the pipe already; whoever holds its other end beyond this is not waited for.
    for (int i = 0; i < most_reads && found->second.output >= 0; ++i) read_output(number);
    close_output(found->second);
    const Check check = std::move(found->second);
    checks_.erase(found);
    const auto [first, last] = deadlines_.equal_range(check.started + check.timeout);
    const auto deadline = std::find_if(first, last, [&](const auto& pair) { return pair.second == number; });
    if (deadline != last) deadlines_.erase(deadline);
    arm();
    if (check.forgotten) return;

    CheckResult result;
    result.latency = Loop::now().steady - check.started;
    result.ok = !check.timed_out && status == ExitStatus{ExitStatus::Kind::Code, 0};
    if (!result.ok) {
        result.error = check.timed_out ? fmt::format("not finished within {}", format_duration(check.timeout))
                                       : describe_end(status);
        if (const std::string said = check.said.text(); !said.empty()) result.error += ": " + said;
    }
    done_(check.run, result);
}

}  // namespace pmctl
