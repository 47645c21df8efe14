#include "supervisor/core/env_file.hpp"

#include "supervisor/core/names.hpp"
#include "supervisor/core/text_fault.hpp"

namespace pmctl {
namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string_view unquoted(std::string_view text) {
    const bool is_quoted =
        text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front();
    return is_quoted ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

Environment parse_env_file(std::string_view text, const std::string& path, std::vector<Problem>& problems) {
    Environment env;
    text = without_bom(text);
    std::uint32_t number = 0;
    while (!text.empty()) {
        const auto end = text.find('\n');
        std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        ++number;
        if (line.empty() || line.front() == '#') continue;
        if (line.starts_with("export ")) line = trimmed(line.substr(7));
        const auto equals = line.find('=');
        const std::string_view name = trimmed(line.substr(0, equals));
        if (equals == std::string_view::npos) {
            problems.push_back(
                {path, number, 1, "a line without '='; allowed are NAME=value and # comments"});
        } else if (!is_variable_name(name)) {
            problems.push_back({path, number, 1,
                                "'" + std::string(name) +
                                    "' is no name of an environment variable; allowed: "
                                    "letters, digits and _ . -, a letter or _ first"});
        } else if (line.find('\0') != std::string_view::npos) {
            problems.push_back({path, number, 1, "a NUL byte in the value of '" + std::string(name) + "'"});
        } else {
            env[std::string(name)] = unquoted(trimmed(line.substr(equals + 1)));
        }
    }
    return env;
}

}  // namespace pmctl
