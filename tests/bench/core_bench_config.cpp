// The loader's stages on a file of many instances: text → layer, and layer → Config.
#include <benchmark/benchmark.h>

#include "supervisor/core/config_load.hpp"
#include "supervisor/core/settings.hpp"

namespace pmctl {
namespace {

std::string text_of(std::int64_t instances) {
    std::string text;
    for (std::int64_t i = 0; i < instances; ++i) {
        text +=
            "[instances.service-" + std::to_string(i) +
            "]\ncommand = [\"/usr/bin/sleep\", \"infinity\"]\nport = \"none\"\nhealth.kind = \"none\"\n\n";
    }
    return text;
}

const Surroundings& surroundings() {
    static const Surroundings all = {{{"HOME", "/home/bench"}, {"PATH", "/usr/bin"}}, 1000};
    return all;
}

LoadedConfig load(const std::string& text) {
    std::vector<ParsedFile> files;
    files.push_back(parse_config(text, "/etc/pmctl/pmctl.toml", 0, FileRole::Main));
    return build_config(std::move(files), {}, {}, surroundings());
}

void parse_file(benchmark::State& state) {
    const std::string text = text_of(state.range(0));
    for (auto round : state)
        benchmark::DoNotOptimize(parse_config(text, "/etc/pmctl/pmctl.toml", 0, FileRole::Main));
    state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(parse_file)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

void load_config(benchmark::State& state) {
    const std::string text = text_of(state.range(0));
    for (auto round : state) benchmark::DoNotOptimize(load(text));
}
BENCHMARK(load_config)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

void compare_unchanged(benchmark::State& state) {
    const std::string text = text_of(state.range(0));
    const LoadedConfig before = load(text);
    const LoadedConfig after = load(text);
    for (auto round : state) {
        for (std::size_t i = 0; i < before.config->instances.size(); ++i)
            benchmark::DoNotOptimize(
                changed_fields(*before.config->instances[i], *after.config->instances[i]));
    }
}
BENCHMARK(compare_unchanged)->Arg(10000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace pmctl
