// The stages of the loader put together: texts → layers → merged → checked → Config, or all problems at once.
// Finding and reading the files is io/config_files's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shared/result.hpp"
#include "supervisor/core/admin_entry.hpp"
#include "supervisor/core/admin_files.hpp"
#include "supervisor/core/config.hpp"
#include "supervisor/core/config_parse.hpp"
#include "supervisor/core/problem.hpp"

namespace pmctl {

// What a configuration means depends on who loads it.
struct Surroundings {
    Environment
        environment;        // the supervisor's own: XDG_RUNTIME_DIR, XDG_STATE_HOME, HOME, names for ${NAME}
    std::uint32_t uid = 0;  // effective
};

struct LoadedConfig {
    std::optional<Config> config;   // exactly when there are no problems
    std::vector<Problem> problems;  // by file, line and column
    // What of the admin service's entries does not count, sorted by id. No problem: all else is in force.
    std::vector<AdminOmission> left_out;
};

// The env_files that the layers name, each path once, with the first place that names it.
std::map<std::string, Position> env_files_of(const std::vector<ParsedFile>& files);

// `files`: the main one first, then the included ones in their order. `env_files`: path → text, or why it
// could not be read. `problems`: what reading found already. `admin_files`: what [admin] names.
// `entries`: those of the admin service; what is wrong with one is no problem, but leaves it out.
LoadedConfig build_config(std::vector<ParsedFile> files,
                          const std::map<std::string, Result<std::string>>& env_files,
                          std::vector<Problem> problems, const Surroundings& surroundings,
                          const AdminFiles& admin_files = {}, const std::vector<AdminEntry>& entries = {});

// The same configuration with these entries of the admin service, and no others. Nothing is read: the files
// are in it as they were when it was built. Has a configuration always; without [admin] the entries count for
// nothing.
LoadedConfig with_admin(const Config& config, const std::vector<AdminEntry>& entries);

// All problems, one a line, as Error: Invalid.
Result<Config> config_or_error(LoadedConfig loaded);

// What `--validate FILE` prints: the problems, or "FILE: ok, 12 instances". With a newline at the end.
std::string describe_load(const std::string& path, const LoadedConfig& loaded);

}  // namespace pmctl
