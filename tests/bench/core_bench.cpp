// The pure core at ten thousand instances, by Google Benchmark: what a reload thinks before it does anything.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "supervisor/core/config_load.hpp"
#include "supervisor/core/config_parse.hpp"
#include "supervisor/core/reconcile.hpp"

namespace {

using namespace pmctl;

constexpr const char* path = "/etc/pmctl/pmctl.toml";

std::string config_text(std::int64_t instances) {
    std::string text =
        "[defaults]\nport = \"none\"\n[defaults.health]\nkind = \"none\"\n"
        "[apps.shop]\ncommand = [\"/usr/bin/shop\", \"--name\", \"${INSTANCE_ID}\"]\nenv = { MODE = \"live\" "
        "}\n";
    for (std::int64_t i = 0; i < instances; ++i)
        text +=
            fmt::format("[instances.shop{:05}]\napp = \"shop\"\ndescription = \"shop number {}\"\n", i, i);
    return text;
}

Config load(const std::string& text) {
    std::vector<ParsedFile> files;
    files.push_back(parse_config(text, path, 0, FileRole::Main));
    const AdminFiles secret = {std::string("secret"), ""};
    auto config = config_or_error(build_config(std::move(files), {}, {}, Surroundings{}, secret));
    if (!config) {
        std::cerr << config.error().message << '\n';
        std::exit(1);  // NOLINT(concurrency-mt-unsafe)
    }
    return std::move(*config);
}

void parse(benchmark::State& state) {
    const std::string text = config_text(state.range(0));
    for (auto _ : state) benchmark::DoNotOptimize(parse_config(text, path, 0, FileRole::Main));
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(parse)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

// Parsed, merged, checked: what `pmctl validate` does with the text.
void parse_merge_and_check(benchmark::State& state) {
    const std::string text = config_text(state.range(0));
    for (auto _ : state) benchmark::DoNotOptimize(load(text));
}
BENCHMARK(parse_merge_and_check)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

// A whole answer of the admin service, with a hostname, a variable and a version each.
void merge_answer(benchmark::State& state) {
    const Config config = load(config_text(10) + "[admin]\nurl = \"https://x\"\nsecret_file = \"s\"\n");
    std::vector<AdminEntry> entries;
    for (std::int64_t i = 0; i < state.range(0); ++i)
        entries.push_back({fmt::format("e{:05}", i),
                           1,
                           {{"app", "shop"},
                            {"env.NUMBER", std::to_string(i)},
                            {"hostname", fmt::format("e{}.example", i)},
                            {"version", "1.2"}}});
    if (!with_admin(config, entries).left_out.empty()) state.SkipWithError("an entry was left out");
    for (auto _ : state) benchmark::DoNotOptimize(with_admin(config, entries));
}
BENCHMARK(merge_answer)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

void plan(benchmark::State& state, bool changed) {
    const Config desired = load(config_text(state.range(0)));
    std::map<std::string, Actual> actual;
    for (const SpecPtr& spec : desired.instances) {
        // A copy: equal values, not the same object, as after a reload.
        auto old = std::make_shared<InstanceSpec>(*spec);
        if (changed) old->process.command.emplace_back("--old");
        actual[spec->id] = {std::move(old), 1};
    }
    for (auto _ : state) benchmark::DoNotOptimize(reconcile(desired, actual, {}));
}
BENCHMARK_CAPTURE(plan, nothing_changed, false)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, all_replaced, true)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
