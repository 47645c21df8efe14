#include "supervisor/io/run_tag.hpp"

#include <fmt/format.h>

#include <charconv>

namespace pmctl {

namespace {
constexpr std::string_view key = "PMCTL_RUN=";
}

std::string run_tag(std::string_view scope, RunNumber run) {
    return fmt::format("{}{}:{}", key, scope, run);
}

std::optional<RunNumber> tagged_run(std::string_view scope, std::string_view environ) {
    while (!environ.empty()) {
        const std::string_view entry = environ.substr(0, environ.find('\0'));
        environ.remove_prefix(std::min(entry.size() + 1, environ.size()));
        if (!entry.starts_with(key)) continue;
        const std::string_view value = entry.substr(key.size());
        const auto colon = value.rfind(':');
        if (colon == std::string_view::npos || value.substr(0, colon) != scope) return std::nullopt;
        const std::string_view digits = value.substr(colon + 1);
        RunNumber run = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), run);
        if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
        return run;
    }
    return std::nullopt;
}

}  // namespace pmctl
