#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "tests/bench/log_bench.hpp"

// The folder for the files may be named: what they lie on is part of the figures.
int main(int argc, char** argv) {
    using pmctl::bench::LogLoad;
    try {
        const std::string base = argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string();
        const std::string folder = base + "/pmctl-log-bench-" + std::to_string(::getpid());
        std::printf("%10s %10s %10s %10s %14s %10s\n", "MB", "line", "write", "MB/s", "CPU s/GB", "complete");
        for (const LogLoad load : {LogLoad{}, LogLoad{200, 100, 100}, LogLoad{200, 20}}) {
            const auto cost = pmctl::bench::measure_logs(load, folder);
            std::printf("%10llu %10zu %10zu %10.0f %14.2f %10s\n",
                        static_cast<unsigned long long>(load.megabytes), load.line, load.write, cost.mb_per_s,
                        cost.cpu_s_per_gb, cost.complete ? "yes" : "NO");
        }
        const auto opening = pmctl::bench::measure_log_opening(1000, folder);
        std::printf("opening for 1,000 instances: %.1f us of CPU and %.0f bytes of heap each\n",
                    opening.cpu_us, opening.bytes);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "log_bench: %s\n", error.what());
        return 1;
    }
}
