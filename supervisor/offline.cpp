#include "supervisor/offline.hpp"

#include <algorithm>
#include <iostream>

#include "shared/config_listing.hpp"
#include "supervisor/core/config_show.hpp"

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
