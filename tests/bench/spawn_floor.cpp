// spawn_floor PROGRAM [COUNT]: the bare loops of floor.hpp and the Spawner with a ProcessTable beside them,
// in one table. What the whole supervisor makes of it is the benchmark's.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "supervisor/io/limits.hpp"
#include "supervisor/io/port_probe.hpp"
#include "supervisor/io/process_table.hpp"
#include "tests/bench/floor.hpp"

using namespace pmctl;

namespace {

SpawnRequest request_for(const std::string& program) {
    SpawnRequest request;
    request.run = 1;
    request.argv = {program};
    for (char** entry = environ; *entry != nullptr; ++entry) request.env.emplace_back(*entry);
    request.working_dir = "/";
    return request;
}

Duration median(std::vector<Duration> times) {
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

double spawner_rate(Loop& loop, Spawner& spawner, const std::string& program, std::size_t count) {
    std::size_t ended = 0;
    auto table = ProcessTable::make(loop, "bench", [&](RunNumber, ExitStatus) {
        if (++ended == count) loop.stop();
    });
    if (!table) return 0;
    SpawnRequest request = request_for(program);
    const auto begin = Loop::now().steady;
    for (std::size_t i = 1; i <= count; ++i) {
        request.run = i;
        const auto child = spawner.spawn(request, {});
        if (!child || !(*table)->add(i, *child)) return 0;
    }
    const Duration taken = Loop::now().steady - begin;
    for (std::size_t i = 1; i <= count; ++i) (*table)->signal(i, SIGKILL);
    loop.run();
    return static_cast<double>(count) / std::chrono::duration<double>(taken).count();
}

// One kept alive: from the SIGKILL to the first instruction of the replacement, through loop and table.
std::vector<Duration> spawner_replacement(Loop& loop, Spawner& spawner, const std::string& program,
                                          std::size_t rounds) {
    const bench::Stamps stamps(rounds + 1);
    SpawnRequest request = request_for(program);
    std::vector<Duration> times;
    std::unique_ptr<ProcessTable> table;
    std::size_t round = 0;
    TimePoint killed;
    const auto start = [&] {
        request.argv = {program, stamps.path(), std::to_string(round)};
        request.run = round + 1;
        const auto child = spawner.spawn(request, {});
        if (!child || !table->add(request.run, *child)) std::exit(1);  // NOLINT(concurrency-mt-unsafe)
    };
    const auto kill = [&] {
        stamps.wait(round);
        if (round > 0) times.push_back(stamps.wait(round) - killed);
        killed = Loop::now().steady;
        table->signal(round + 1, SIGKILL);
    };
    auto made = ProcessTable::make(loop, "bench", [&](RunNumber run, ExitStatus) {
        if (round == rounds) return loop.stop();
        ++round;
        start();
        table->clean_up(run);
        kill();
    });
    if (!made) return {Duration{}};
    table = std::move(*made);
    start();
    kill();
    loop.run();
    return times;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        fmt::print(stderr, "usage: spawn_floor PROGRAM [COUNT]\n");
        return 2;
    }
    const std::string program = std::filesystem::absolute(argv[1]).string();
    const std::size_t count = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1000;
    const auto limit = raise_file_limit();
    auto spawner = Spawner::make({limit.value_or(rlimit{1024, 1024}), {}}, "bench");
    if (!spawner) return 1;
    const auto on_bug = [](const std::string& bug) { fmt::print(stderr, "{}\n", bug); };

    for (const auto way : {bench::Start::Vfork, bench::Start::Clone3, bench::Start::PosixSpawn}) {
        fmt::print("{:<40} {:>10.0f} /s\n", fmt::format("start, {}", bench::name_of(way)),
                   bench::starts_per_second(way, program, count));
    }
    {
        Loop loop(on_bug);
        fmt::print("{:<40} {:>10.0f} /s\n", "start, Spawner and ProcessTable",
                   spawner_rate(loop, *spawner, program, count));
    }
    const auto microseconds = [](Duration time) {
        return std::chrono::duration<double, std::micro>(time).count();
    };
    fmt::print("{:<40} {:>10.1f} us\n", "kill to replacement, clone3",
               microseconds(median(bench::kill_to_replacement(program, count))));
    {
        Loop loop(on_bug);
        fmt::print("{:<40} {:>10.1f} us\n", "kill to replacement, Loop and ProcessTable",
                   microseconds(median(spawner_replacement(loop, *spawner, program, count))));
    }
    fmt::print("{:<40} {:>10.0f} /s\n", "all killed and replaced, clone3",
               bench::replacements_per_second(program, count));
    const auto begin = Loop::now().steady;
    for (int i = 0; i < 1000; ++i) (void)port_state(static_cast<std::uint16_t>(30000 + i));
    fmt::print("{:<40} {:>10.1f} us\n", "port probe", microseconds(Loop::now().steady - begin) / 1000);
    return 0;
}
