#include "supervisor/offline.hpp"

#include <algorithm>
#include <iostream>

#include "shared/config_listing.hpp"
#include "supervisor/core/config_show.hpp"
#include "supervisor/io/state_store.hpp"

namespace pmctl {

int print_validation(const std::string& path, const LoadedConfig& loaded) {
    const std::string text = describe_load(path, loaded);
    if (loaded.config) {
        std::cout << text;
        return 0;
    }
    std::cerr << text;
    return exit_status(ErrorKind::Invalid);
}

// The last line tells the whole: a supervisor that asks shows that one alone.
int print_upgrade_check(const std::string& path, const LoadedConfig& loaded) {
    if (!loaded.config) {
        std::cerr << describe_load(path, loaded);
        return exit_status(ErrorKind::Invalid);
    }
    if (auto checked = StateStore::check(loaded.config->supervisor.state_dir); !checked) {
        std::cerr << "pmctld " PMCTL_VERSION ": " << checked.error().message << '\n';
        return exit_status(checked.error().kind);
    }
    std::cout << "pmctld " PMCTL_VERSION " can go on with " << path << '\n';
    return 0;
}

int print_config(const Config& config, const std::string& id, bool show_secrets, bool json) {
    const auto values = show_config(config, id, show_secrets);
    if (!values) {
        std::cerr << "pmctld: " << values.error().message << '\n';
        return exit_status(values.error().kind);
    }
    std::cout << (json ? config_json(*values) : config_lines(*values));
    return 0;
}

}  // namespace pmctl
