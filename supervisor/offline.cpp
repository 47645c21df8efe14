#include "supervisor/offline.hpp"

#include <algorithm>
#include <iostream>

#include "shared/config_listing.hpp"
#include "shared/json_text.hpp"
#include "supervisor/core/config_show.hpp"
#include "supervisor/io/state_store.hpp"

namespace pmctl {

namespace {

std::string load_json(const std::string& path, const LoadedConfig& loaded) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.key("file");
    json.string(path);
    json.key("valid");
    json.boolean(loaded.config.has_value());
    json.key("instances");
    if (loaded.config) {
        json.number(static_cast<std::uint64_t>(loaded.config->instances.size()));
    } else {
        json.null();
    }
    json.key("problems");
    json.begin_array();
    for (const Problem& each : loaded.problems) {
        json.begin_object();
        json.key("file");
        json.string_or_null(each.file);
        json.key("line");
        json.number(static_cast<std::uint64_t>(each.line));
        json.key("column");
        json.number(static_cast<std::uint64_t>(each.column));
        json.key("message");
        json.string(each.message);
        json.end_object();
    }
    json.end_array();
    json.end_object();
    return text + '\n';
}

}  // namespace

int print_validation(const std::string& path, const LoadedConfig& loaded, bool json) {
    if (json) {
        std::cout << load_json(path, loaded);
        return loaded.config ? 0 : exit_status(ErrorKind::Invalid);
    }
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
