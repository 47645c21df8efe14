// What pmctld does without becoming a supervisor: --validate, --show-config, --check-upgrade.
#pragma once

#include <string>

#include "supervisor/core/config_load.hpp"

namespace pmctl {

// Each prints, and returns the exit status.
int print_validation(const std::string& path, const LoadedConfig& loaded, bool json);
int print_upgrade_check(const std::string& path, const LoadedConfig& loaded);
int print_config(const Config& config, const std::string& id, bool show_secrets, bool json);

}  // namespace pmctl
