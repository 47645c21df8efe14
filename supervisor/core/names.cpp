#include "supervisor/core/names.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace pmctl {
namespace {

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(),
                       [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; });
}

}  // namespace

bool is_instance_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 && id != "." && id != ".." &&
           std::all_of(id.begin(), id.end(), [](char c) {
               return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == ':' || c == '-';
           });
}

std::string_view replica_stem(std::string_view id) {
    const auto colon = id.rfind(':');
    if (colon == std::string_view::npos) return {};
    const std::string_view digits = id.substr(colon + 1);
    return !digits.empty() && std::all_of(digits.begin(), digits.end(), is_digit) ? id.substr(0, colon)
                                                                                  : std::string_view();
}

bool is_group_name(std::string_view name) {
    return name.empty() || is_instance_id(name);
}

bool is_app_id(std::string_view id) {
    if (id.empty() || id.size() > 255 || id == "*") return false;
    if (std::any_of(id.begin(), id.end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
        return false;
    for (std::string_view rest = id;;) {
        const auto slash = rest.find('/');
        const std::string_view part = rest.substr(0, slash);
        if (part.empty() || part == "." || part == "..") return false;
        if (slash == std::string_view::npos) return true;
        rest.remove_prefix(slash + 1);
    }
}

bool is_variable_name(std::string_view name) {
    return !name.empty() && (is_letter(name.front()) || name.front() == '_') &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '-';
           });
}

std::optional<std::string> hostname_of(std::string_view text) {
    std::string_view name = text;
    std::string port;
    if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
        const std::string_view digits = text.substr(colon + 1);
        std::uint16_t number = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (error != std::errc{} || end != digits.data() + digits.size() || number == 0) return std::nullopt;
        port = ":" + std::to_string(number);
        name = text.substr(0, colon);
    }
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty() || name.size() > 253) return std::nullopt;
    for (std::string_view rest = name;;) {
        const auto dot = rest.find('.');
        if (!is_label(rest.substr(0, dot))) return std::nullopt;
        if (dot == std::string_view::npos) break;
        rest.remove_prefix(dot + 1);
    }
    std::string out(name);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out + port;
}

}  // namespace pmctl
