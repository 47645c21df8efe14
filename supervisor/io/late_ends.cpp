#include "supervisor/io/late_ends.hpp"

#include <algorithm>
#include <utility>

#include "supervisor/io/pidfd.hpp"

namespace pmctl {

namespace {

// Mostly the parent needs a millisecond; then twice as long each time.
constexpr Duration first_delay = std::chrono::milliseconds(2);
constexpr Duration longest_delay = std::chrono::milliseconds(200);

EndReport report_of(const EndedProcess& process) {
    return end_report(process.pidfd.get(), process.pid, process.start_ticks);
}

}  // namespace

LateEnds::LateEnds(Loop& loop, Told told) : told_(std::move(told)), timer_(loop, [this] { ask_again(); }) {}

void LateEnds::ask(EndedProcess process) {
    const EndReport report = report_of(process);
    if (report.kind != EndReport::Kind::NotYet) return told_(process.run, report.status);
    const TimePoint now = Loop::now().steady;
    waiting_.push_back({std::move(process), now + patience});
    delay_ = first_delay;
    timer_.set(now + delay_);
}

void LateEnds::ask_again() {
    const TimePoint now = Loop::now().steady;
    std::vector<std::pair<RunNumber, ExitStatus>> told;
    std::erase_if(waiting_, [&](const Waiting& each) {
        const EndReport report = report_of(each.process);
        if (report.kind == EndReport::Kind::NotYet && now < each.until) return false;
        told.emplace_back(each.process.run, report.status);
        return true;
    });
    if (!waiting_.empty()) {
        delay_ = std::min(delay_ * 2, longest_delay);
        timer_.set(now + delay_);
    }
    for (const auto& [run, status] : told) told_(run, status);
}

}  // namespace pmctl
