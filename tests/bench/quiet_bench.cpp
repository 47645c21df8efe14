#include <fmt/format.h>
#include <signal.h>

#include <functional>
#include <stdexcept>
#include <thread>

#include "supervisor/io/loop.hpp"
#include "tests/bench/fleet.hpp"
#include "tests/bench/fleet_config.hpp"
#include "tests/bench/floor.hpp"

namespace pmctl::bench {

namespace {

constexpr std::size_t rounds = 21;
// Store and allocator have come to rest.
constexpr Duration settling = std::chrono::seconds(12);
constexpr Duration watched = std::chrono::seconds(10);

Duration median_of(const std::function<Duration()>& once) {
    std::vector<Duration> times;
    times.reserve(rounds);
    for (std::size_t i = 0; i < rounds; ++i) times.push_back(once());
    return median(times);
}

std::uint64_t pss_of_one(const Programs& programs, const std::string& stamps) {
    Daemon daemon(programs, fleet_config(programs.child, stamps, 1));
    daemon.rows_when_all("Running");
    std::this_thread::sleep_for(settling);
    return daemon.pss();
}

Figure reload(Daemon& daemon, std::size_t count) {
    const auto before = daemon.rows_when_all("Running");
    const Duration taken = median_of([&] { return daemon.pmctl({"reload"}); });
    const auto after = daemon.rows_when_all("Running");
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (before[i].pid != after.at(i).pid)
            throw std::runtime_error("a reload restarted " + before[i].name);
    }
    return {fmt::format("unchanged pmctl reload of {}", count), milliseconds(taken), "ms", at_most(40),
            fmt::format("the whole command, median of {}; no restart", rounds)};
}

// Ends them all once; a fleet that obeys at once is back by `pmctl start` in between.
std::vector<Figure> stop(Daemon& daemon, std::size_t count) {
    std::vector<Duration> times;
    for (int i = 0; i < 5; ++i) {
        times.push_back(daemon.pmctl({"stop", "--all"}));
        daemon.pmctl({"start", "--all"});
        daemon.rows_when_all("Running");
    }
    const Duration all = daemon.terminate();
    return {{fmt::format("stop of {}: SIGTERM until pmctld is gone", count), milliseconds(all), "ms",
             at_most(60), "all ended, the store closed"},
            {fmt::format("stop of {}: pmctl stop --all", count), milliseconds(median(times)), "ms",
             at_most(60), "the whole command, the intention on disk; median of 5"}};
}

}  // namespace

std::vector<Figure> measure_quiet(const Programs& programs, std::size_t count) {
    const Stamps stamps(count);
    const std::uint64_t one = pss_of_one(programs, stamps.path());
    Daemon daemon(programs, fleet_config(programs.child, stamps.path(), count));
    daemon.rows_when_all("Running");
    std::this_thread::sleep_for(settling);

    const auto wakes_before = daemon.wake_ups();
    std::this_thread::sleep_for(watched);
    std::uint64_t wakes = 0;
    std::string who;
    for (const auto& [thread, count] : daemon.wake_ups()) {
        const auto before = wakes_before.find(thread);
        const std::uint64_t more = count - (before == wakes_before.end() ? 0 : before->second);
        wakes += more;
        if (more > 0) who += ", " + thread;
    }
    const std::uint64_t all = daemon.pss();

    std::vector<Figure> figures;
    const double each = static_cast<double>(all - one) / static_cast<double>(count - 1) / 1024;
    figures.push_back({fmt::format("memory at {}, PSS", count), static_cast<double>(all) / (1 << 20), "MiB",
                       at_most(12),
                       fmt::format("with one: {:.2f} MiB", static_cast<double>(one) / (1 << 20))});
    figures.push_back({"memory an instance, PSS", each, "KiB", at_most(5), ""});
    const double seconds = std::chrono::duration<double>(watched).count();
    figures.push_back({"wake-ups a second when idle", static_cast<double>(wakes) / seconds, "/s", at_most(0),
                       fmt::format("{} in {:.0f} s, all threads{}", wakes, seconds, who)});
    figures.push_back({fmt::format("pmctl status of {}", count),
                       milliseconds(median_of([&] { return daemon.pmctl({"status"}); })), "ms", at_most(12),
                       fmt::format("the whole command, median of {}", rounds)});
    const std::string name = fleet_name(count / 2);
    figures.push_back({"pmctl status of one",
                       milliseconds(median_of([&] { return daemon.pmctl({"status", name}); })), "ms",
                       at_most(4), fmt::format("the whole command, median of {}", rounds)});
    figures.push_back(reload(daemon, count));
    for (Figure& figure : stop(daemon, count)) figures.push_back(std::move(figure));
    return figures;
}

}  // namespace pmctl::bench
