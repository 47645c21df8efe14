#include "shared/find_config.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "shared/path.hpp"

namespace pmctl {
namespace {

constexpr std::string_view system_config = "/etc/pmctl/pmctl.toml";

Result<std::string> resolved(const std::string& path, std::string_view named_by) {
    struct Free {
        void operator()(char* text) const { std::free(text); }  // NOLINT(*-no-malloc): realpath(3) allocates
    };
    const std::unique_ptr<char, Free> real(::realpath(path.c_str(), nullptr));
    if (!real)
        return fail(ErrorKind::Invalid, "'" + path + "' (" + std::string(named_by) +
                                            "): " + std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
    return std::string(real.get());
}

bool is_there(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode);
}

}  // namespace

Result<std::string> find_config(std::string_view flag, std::string_view config_env,
                                const std::string& working_dir) {
    if (!flag.empty()) return resolved(resolve_path(working_dir, flag), "named by --config");
    if (!config_env.empty()) return resolved(resolve_path(working_dir, config_env), "named by PMCTL_CONFIG");
    for (std::string folder = resolve_path("/", working_dir);; folder = folder_of(folder)) {
        const std::string path = resolve_path(folder, "pmctl.toml");
        if (is_there(path)) return resolved(path, "found");
        if (folder == "/") break;
    }
    if (is_there(std::string(system_config))) return resolved(std::string(system_config), "found");
    return fail(ErrorKind::Invalid, "no configuration found: there is no 'pmctl.toml' in '" + working_dir +
                                        "' or a folder above it, and no '" + std::string(system_config) +
                                        "'; name one with --config FILE, or write one with 'pmctl init'");
}

}  // namespace pmctl
