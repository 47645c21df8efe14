#include "tests/bench/log_bench.hpp"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "supervisor/io/log_file.hpp"
#include "supervisor/io/logs.hpp"
#include "supervisor/io/loop.hpp"

namespace pmctl::bench {

namespace {

Duration thread_cpu() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    const auto of = [](const timeval& t) {
        return Duration(std::chrono::seconds(t.tv_sec)) + std::chrono::microseconds(t.tv_usec);
    };
    return of(usage.ru_utime) + of(usage.ru_stime);
}

[[noreturn]] void write_all(int fd, const LogLoad& load) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::string text;
    while (text.size() < load.write + load.line) text += std::string(load.line - 1, 'x') + '\n';
    const std::uint64_t total = load.megabytes * 1'000'000;
    for (std::uint64_t done = 0; done < total;) {
        // Where in a line it goes on: lines stay whole through all writes.
        const std::size_t size = std::min<std::uint64_t>(load.write, total - done);
        const ssize_t count = ::write(fd, text.data() + done % load.line, size);
        if (count <= 0) ::_exit(1);
        done += static_cast<std::uint64_t>(count);
    }
    ::_exit(0);
}

std::unique_ptr<Logs> open_logs(Loop& loop, const std::string& folder) {
    auto logs = Logs::make(
        loop, folder + "/fifo", folder + "/logs",
        {[](const std::string&, const std::string& text) { throw std::runtime_error(text); }, [] {}});
    if (!logs) throw std::runtime_error(logs.error().message);
    return std::move(*logs);
}

LogCost measure_once(const LogLoad& load, const std::string& folder) {
    std::filesystem::remove_all(folder);
    std::string bug;
    Loop loop([&](const std::string& text) {
        bug = text;
        loop.stop();
    });
    const auto logs = open_logs(loop, folder);
    const auto ends = logs->open_for("program", LogSettings{});
    if (!ends) throw std::runtime_error(ends.error().message);
    const TimePoint begin = Loop::now().steady;
    const Duration cpu_before = thread_cpu();
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error("fork");
    if (pid == 0) write_all(ends->out, load);
    const std::uint64_t total = load.megabytes * 1'000'000;
    Timer look(loop, [&] {
        if (logs->bytes() >= total) return loop.stop();
        look.set(Loop::now().steady + std::chrono::milliseconds(1));
    });
    look.set(begin);
    loop.run();
    const Duration cpu = thread_cpu() - cpu_before;
    const Duration length = Loop::now().steady - begin;
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (!bug.empty()) throw std::runtime_error(bug);

    LogCost cost;
    const double megabytes = static_cast<double>(total) / 1e6;
    cost.mb_per_s = megabytes / std::chrono::duration<double>(length).count();
    cost.cpu_s_per_gb = std::chrono::duration<double>(cpu).count() / (megabytes / 1000);
    const std::uint64_t lines = total / load.line;
    const std::uint64_t shortest = total + lines * cri_prefix_length;
    cost.complete = status == 0 && logs->bytes() == total && *logs->end_of("program") >= shortest;
    std::filesystem::remove_all(folder);
    return cost;
}

}  // namespace

LogCost measure_logs(const LogLoad& load, const std::string& folder, int rounds) {
    LogCost best;
    for (int round = 0; round < rounds; ++round) {
        const LogCost cost = measure_once(load, folder);
        best.complete = round == 0 ? cost.complete : best.complete && cost.complete;
        // What else the machine does only takes away.
        best.mb_per_s = std::max(best.mb_per_s, cost.mb_per_s);
        best.cpu_s_per_gb = round == 0 ? cost.cpu_s_per_gb : std::min(best.cpu_s_per_gb, cost.cpu_s_per_gb);
    }
    return best;
}

LogOpeningCost measure_log_opening(std::uint32_t instances, const std::string& folder) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    std::filesystem::remove_all(folder);
    Loop loop([](const std::string&) {});
    const auto logs = open_logs(loop, folder);
    const Duration cpu_before = thread_cpu();
    const std::size_t heap_before = ::mallinfo2().uordblks;
    for (std::uint32_t i = 0; i < instances; ++i) {
        const auto ends = logs->open_for("instance-" + std::to_string(i), LogSettings{});
        if (!ends) throw std::runtime_error(ends.error().message);
    }
    const std::size_t heap = ::mallinfo2().uordblks - heap_before;
    const Duration cpu = thread_cpu() - cpu_before;
    std::filesystem::remove_all(folder);
    return {std::chrono::duration<double, std::micro>(cpu).count() / instances,
            static_cast<double>(heap) / instances};
}

}  // namespace pmctl::bench
