#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <stdexcept>

#include "supervisor/io/loop.hpp"
#include "tests/bench/fleet.hpp"
#include "tests/bench/fleet_config.hpp"
#include "tests/bench/floor.hpp"

namespace pmctl::bench {

namespace {

double per_second(std::size_t count, Duration time) {
    return static_cast<double>(count) / std::chrono::duration<double>(time).count();
}

TimePoint first_of(const Stamps& stamps, std::size_t count) {
    TimePoint first = TimePoint::max();
    for (std::size_t i = 0; i < count; ++i) first = std::min(first, stamps.wait(i));
    return first;
}

void clear(Stamps& stamps, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) stamps.clear(i);
}

void must_ask(Daemon& daemon, const Request& request) {
    if (const auto reply = daemon.client().ask(request); !reply)
        throw std::runtime_error(reply.error().message);
}

Figure start_all(Daemon& daemon, const Stamps& stamps, std::size_t count, double bare) {
    const TimePoint asked = Loop::now().steady;
    must_ask(daemon, StartRequest{.targets = {.names = {}, .all = true}});
    const Duration taken = last_of(stamps, count) - asked;
    const Duration first = first_of(stamps, count) - asked;
    const double rate = per_second(count, taken);
    return {"start, share of the bare loop's rate", 100 * rate / bare, "%", at_least(70),
            fmt::format("from the order to the last first instruction {:.0f} ms (the first after {:.1f}), "
                        "{:.0f} /s; bare {:.0f} /s",
                        milliseconds(taken), milliseconds(first), rate, bare)};
}

// One after another, each killed once and awaited.
Figure crashes(Daemon& daemon, Stamps& stamps, Duration bare, std::size_t rounds) {
    const auto rows = daemon.rows_when_all("Running");
    std::vector<Duration> times;
    for (std::size_t i = 0; i < std::min(rounds, rows.size()); ++i) {
        const std::size_t slot = slot_of(rows[i].name);
        stamps.clear(slot);
        const TimePoint killed = Loop::now().steady;
        ::kill(rows[i].pid.value(), SIGKILL);
        times.push_back(stamps.wait(slot) - killed);
    }
    const Duration ours = median(times);
    return {"crash to replacement, ratio to the bare loop", milliseconds(ours) / milliseconds(bare), "x",
            at_most(1.5),
            fmt::format("median of {}: {:.0f} us; bare {:.0f} us", times.size(), 1000 * milliseconds(ours),
                        1000 * milliseconds(bare))};
}

Figure all_killed(Daemon& daemon, Stamps& stamps, std::size_t count, double bare) {
    const auto rows = daemon.rows_when_all("Running");
    clear(stamps, count);
    const TimePoint begin = Loop::now().steady;
    for (const StatusRow& row : rows) ::kill(row.pid.value(), SIGKILL);
    const Duration taken = last_of(stamps, count) - begin;
    const double rate = per_second(count, taken);
    return {
        "all killed at once, share of the bare rate", 100 * rate / bare, "%", at_least(60),
        fmt::format("all back after {:.0f} ms, {:.0f} /s; bare {:.0f} /s", milliseconds(taken), rate, bare)};
}

}  // namespace

std::vector<Figure> measure_life(const Programs& programs, std::size_t count) {
    constexpr std::size_t rounds = 300;
    Stamps stamps(count);
    const double bare_start = starts_per_second(Start::Clone3, programs.child, count, &stamps);
    clear(stamps, count);
    const Duration bare_crash = median(kill_to_replacement(programs.child, rounds));
    const double bare_back = replacements_per_second(programs.child, count, &stamps);
    clear(stamps, count);

    std::vector<Figure> figures;
    Daemon daemon(programs, fleet_config(programs.child, stamps.path(), count));
    const TimePoint up = last_of(stamps, count);
    daemon.rows_when_all("Running");
    must_ask(daemon, StopRequest{.targets = {.names = {}, .all = true}});
    daemon.rows_when_all("Stopped");
    clear(stamps, count);

    figures.push_back(start_all(daemon, stamps, count, bare_start));
    figures.push_back({"pmctld's exec to the last one started", milliseconds(up - daemon.started_at()), "ms",
                       std::nullopt, "configuration and store included"});
    figures.push_back(crashes(daemon, stamps, bare_crash, rounds));
    figures.push_back(all_killed(daemon, stamps, count, bare_back));
    return figures;
}

}  // namespace pmctl::bench
