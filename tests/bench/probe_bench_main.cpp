#include <cstdio>
#include <exception>

#include "tests/bench/probe_bench.hpp"

int main() {
    try {
        std::printf("%10s %10s %12s %12s %8s %8s\n", "instances", "checks/s", "bare us", "ours us", "ratio",
                    "failed");
        for (const std::uint32_t rate : {1000U, 5000U}) {
            const pmctl::bench::ProbeLoad load{5000, rate};
            const auto cost = pmctl::bench::measure_probes(load);
            std::printf("%10u %10u %12.1f %12.1f %8.2f %8llu\n", load.instances, rate, cost.bare_us,
                        cost.ours_us, cost.ratio(), static_cast<unsigned long long>(cost.failed));
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "probe_bench: %s\n", error.what());
        return 1;
    }
}
