#include "supervisor/core/field_value.hpp"

#include <algorithm>

#include "shared/path.hpp"
#include "supervisor/core/toml_text.hpp"

namespace pmctl {
namespace {

constexpr std::size_t longest_quote = 60;  // bytes of a value in a message

bool is_relative(const std::string& path) {
    return !path.empty() && path.front() != '/' && path.front() != '$';
}

}  // namespace

bool has_nul(const Value& value) {
    const auto in = [](const std::string& text) { return text.find('\0') != std::string::npos; };
    if (const auto* text = std::get_if<std::string>(&value)) return in(*text);
    const auto* list = std::get_if<std::vector<std::string>>(&value);
    return list != nullptr && std::any_of(list->begin(), list->end(), in);
}

void resolve_paths(Value& value, PathRule rule, const std::string& folder) {
    if (rule == PathRule::Path) {
        auto& path = std::get<std::string>(value);
        if (is_relative(path)) path = resolve_path(folder, path);
    } else if (rule == PathRule::Command) {
        auto& command = std::get<std::vector<std::string>>(value);
        if (!command.empty() && is_relative(command[0]) && command[0].find('/') != std::string::npos)
            command[0] = resolve_path(folder, command[0]);
    }
}

std::string quoted(std::string text) {
    if (text.size() > longest_quote) {
        std::size_t cut = longest_quote;
        while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0U) == 0x80) --cut;
        text = text.substr(0, cut) + "…";
    }
    return toml_string(text);
}

std::string value_text(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
    if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
    if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
    return std::holds_alternative<double>(value) ? "a decimal number" : "a list";
}

}  // namespace pmctl
