#include "shared/config_listing.hpp"

#include <algorithm>

#include "shared/json_text.hpp"

namespace pmctl {

namespace {

constexpr std::size_t widest = 60;  // a longer value pushes its own source aside, not all of them

std::string setting_of(const ConfigValue& value) {
    return value.key + " = " + value.value;
}

}  // namespace

std::string config_lines(const std::vector<ConfigValue>& values) {
    std::size_t width = 0;
    for (const ConfigValue& value : values) {
        const std::size_t length = setting_of(value).size();
        if (length <= widest) width = std::max(width, length);
    }
    std::string text;
    for (const ConfigValue& value : values) {
        std::string line = setting_of(value);
        if (line.size() < width) line.append(width - line.size(), ' ');
        text += line + "  # " + value.source + '\n';
    }
    return text;
}

std::string config_json(const std::vector<ConfigValue>& values) {
    std::string text;
    JsonWriter json(text);
    json.begin_array();
    for (const ConfigValue& value : values) {
        json.begin_object();
        json.key("key");
        json.string(value.key);
        json.key("value");
        json.string(value.value);
        json.key("source");
        json.string(value.source);
        json.end_object();
    }
    json.end_array();
    return text + '\n';
}

}  // namespace pmctl
