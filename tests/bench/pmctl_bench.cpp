// pmctl_bench [PART...]: measures every speed figure that pmctl aims at with the real programs of this build,
// each beside a bare loop in the same run, and prints one table. Its status is 1 when an aim was missed.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string_view>

#include "tests/bench/fleet.hpp"
#include "tests/bench/probe_bench.hpp"

using namespace pmctl::bench;

namespace {

constexpr std::size_t fleet_size = 1000;
constexpr std::size_t log_megabytes = 1000;
constexpr std::size_t admin_rounds = 100;

Figure measure_probe_cost() {
    const ProbeLoad load{.instances = fleet_size, .checks_per_second = 1000};
    const ProbeCost cost = measure_probes(load);
    return {"HTTP check, ratio to a bare epoll prober", cost.ratio(), "x", at_most(2),
            fmt::format("{:.1f} us, bare {:.1f} us, at 1,000 a second; {} failed", cost.ours_us, cost.bare_us,
                        cost.failed)};
}

Programs programs_beside(const std::filesystem::path& self) {
    const auto build = self.parent_path().parent_path().parent_path();
    return {(build / "supervisor" / "pmctld").string(), (build / "cli" / "pmctl").string(),
            (self.parent_path() / "static_child").string(), self.string()};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 4 && std::string_view(argv[1]) == "--write-lines")
        return write_lines(std::strtoul(argv[2], nullptr, 10), argv[3]);
    const auto wanted = [&](std::string_view part) {
        return argc < 2 || std::find(argv + 1, argv + argc, part) != argv + argc;
    };
    try {
        // The bare loops hold a pidfd for each child.
        rlimit files{};
        ::getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);

        const Programs programs = programs_beside(std::filesystem::canonical("/proc/self/exe"));
        std::vector<Figure> figures;
        const auto add = [&](std::vector<Figure> more) {
            figures.insert(figures.end(), more.begin(), more.end());
        };
        if (wanted("life")) add(measure_life(programs, fleet_size));
        if (wanted("quiet")) add(measure_quiet(programs, fleet_size));
        if (wanted("logs")) add(measure_logs(programs, log_megabytes));
        if (wanted("checks")) add({measure_probe_cost()});
        if (wanted("admin")) add(measure_admin(programs, admin_rounds));
        return print_table(figures) == 0 ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "pmctl_bench: {}\n", error.what());
        return 2;
    }
}
