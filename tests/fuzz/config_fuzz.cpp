// libFuzzer: any text is a configuration, or has problems at places that it has. One that is right can be
// shown.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "supervisor/core/config_load.hpp"
#include "supervisor/core/config_parse.hpp"
#include "supervisor/core/config_show.hpp"
#include "tests/fuzz/must.hpp"

using pmctl::test::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::vector<pmctl::ParsedFile> files;
    files.push_back(pmctl::parse_config(text, "/etc/pmctl/pmctl.toml", 0, pmctl::FileRole::Main));
    // No file but this one is there.
    std::map<std::string, pmctl::Result<std::string>> env_files;
    for (const auto& [path, place] : pmctl::env_files_of(files))
        env_files.emplace(path, pmctl::fail("No such file or directory"));
    const pmctl::Surroundings surroundings{{{"HOME", "/home/me"}, {"PATH", "/usr/bin"}}, 1000};
    const pmctl::LoadedConfig loaded = pmctl::build_config(std::move(files), env_files, {}, surroundings);

    must(loaded.config.has_value() == loaded.problems.empty());
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    for (const pmctl::Problem& problem : loaded.problems) {
        must(!problem.message.empty());
        must(problem.line <= lines);
        must(problem.line == 0 || problem.column <= size + 1);
    }
    if (loaded.config) {
        must(pmctl::show_config(*loaded.config, "", true).has_value());
        for (const pmctl::SpecPtr& spec : loaded.config->instances)
            must(pmctl::show_config(*loaded.config, spec->id, false).has_value());
    }
    return 0;
}
