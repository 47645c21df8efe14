#include "supervisor/io/run_tag.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace pmctl {

namespace {

constexpr std::string_view key = "PMCTL_RUN=";
constexpr std::string_view listens = "listen";
constexpr std::string_view none = "-";

template <class T>
bool read_number(std::string_view digits, T& number) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc{} && end == digits.data() + digits.size();
}

// What follows the scope, which may hold spaces itself: log names, numbers and fingerprints do not.
std::optional<RunTag> read_fields(std::string_view text) {
    std::array<std::string_view, 6> fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto space = text.find(' ');
        if ((space == std::string_view::npos) != (i + 1 == fields.size())) return std::nullopt;
        fields.at(i) = text.substr(0, space);
        text.remove_prefix(fields.at(i).size() + (i + 1 < fields.size() ? 1 : 0));
    }
    RunTag tag;
    tag.log_name = fields[0];
    tag.listening = fields[3] == listens;
    if (fields[4] != none) tag.fingerprint = fields[4];
    if (!read_number(fields[1], tag.run) || !read_number(fields[2], tag.port)) return std::nullopt;
    if (!fields[5].empty() && !read_number(fields[5], tag.leader)) return std::nullopt;
    return tag;
}

}  // namespace

std::string run_tag(std::string_view scope, const RunTag& tag) {
    std::string text =
        fmt::format("{}{} {} {} {} {} {} ", key, scope, tag.log_name, tag.run, tag.port,
                    tag.listening ? listens : none, tag.fingerprint.empty() ? none : tag.fingerprint);
    if (tag.leader != 0) text += std::to_string(tag.leader);
    return text;
}

std::optional<RunTag> read_run_tag(std::string_view scope, std::string_view environ) {
    while (!environ.empty()) {
        const std::string_view entry = environ.substr(0, environ.find('\0'));
        environ.remove_prefix(std::min(entry.size() + 1, environ.size()));
        if (!entry.starts_with(key)) continue;
        const std::string_view value = entry.substr(key.size());
        if (!value.starts_with(scope) || !value.substr(scope.size()).starts_with(' ')) return std::nullopt;
        return read_fields(value.substr(scope.size() + 1));
    }
    return std::nullopt;
}

}  // namespace pmctl
