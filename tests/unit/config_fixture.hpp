// Configurations from texts alone, for the tests of every stage of the loader.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/core/config_load.hpp"

namespace pmctl::test {

struct Texts {
    std::vector<std::pair<std::string, std::string>> files;  // path → text, the main one first
    std::map<std::string, Result<std::string>> env_files;
    AdminFiles admin_files = {std::string("s3cr3t"), ""};
    std::vector<AdminEntry> entries;
};

inline const Surroundings& usual_surroundings() {
    static const Surroundings surroundings = {
        {{"HOME", "/home/anna"}, {"PATH", "/usr/bin"}, {"XDG_RUNTIME_DIR", "/run/user/1000"}}, 1000};
    return surroundings;
}

inline LoadedConfig load(const Texts& texts, const Surroundings& surroundings = usual_surroundings()) {
    std::vector<ParsedFile> files;
    for (const auto& [path, text] : texts.files)
        files.push_back(parse_config(text, path, static_cast<std::uint32_t>(files.size()),
                                     files.empty() ? FileRole::Main : FileRole::Included));
    return build_config(std::move(files), texts.env_files, {}, surroundings, texts.admin_files,
                        texts.entries);
}

inline LoadedConfig load(const std::string& text) {
    return load(Texts{{{"/etc/pmctl/pmctl.toml", text}}, {}});
}

// All problems, one a line, with the main file's name cut off.
inline std::string problems_of(const LoadedConfig& loaded) {
    std::string text;
    for (const Problem& problem : loaded.problems) {
        std::string line = format_problem(problem);
        const std::string main = "/etc/pmctl/pmctl.toml:";
        if (line.starts_with(main)) line.erase(0, main.size());
        text += line + "\n";
    }
    return text;
}
inline std::string problems_of(const std::string& text) {
    return problems_of(load(text));
}

inline const InstanceSpec* find(const LoadedConfig& loaded, const std::string& id) {
    if (!loaded.config) return nullptr;
    for (const SpecPtr& spec : loaded.config->instances) {
        if (spec->id == id) return spec.get();
    }
    return nullptr;
}

}  // namespace pmctl::test
