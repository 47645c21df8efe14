// Entries of the admin service, and what a configuration with them lists, for the tests of the merge.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config_fixture.hpp"
#include "supervisor/core/config_show.hpp"
#include "supervisor/core/toml_text.hpp"

namespace pmctl::test {

// `app` "": the entry names none.
inline AdminEntry entry(std::string id, const std::string& app, std::vector<AdminField> fields = {},
                        std::uint64_t event = 0) {
    if (!app.empty()) fields.push_back({"app", app});
    std::sort(fields.begin(), fields.end(),
              [](const AdminField& a, const AdminField& b) { return a.key < b.key; });
    return {std::move(id), event, std::move(fields)};
}

// "VALUE # SOURCE" of `pmctl config`; "missing".
inline std::string listed(const LoadedConfig& loaded, const std::string& id, const std::string& key) {
    const auto values = show_config(*loaded.config, id, false);
    if (!values) return values.error().message;
    for (const ConfigValue& each : *values) {
        if (each.key == "instances." + toml_key(id) + "." + key) return each.value + " # " + each.source;
    }
    return "missing";
}

}  // namespace pmctl::test
