#include "supervisor/core/settings_fields.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "supervisor/core/names.hpp"
#include "supervisor/core/run.hpp"

namespace pmctl::fields {
namespace {

template <class Integer>
std::optional<Integer> number_of(std::string_view text, int base = 10) {
    Integer number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

}  // namespace

bool read_octal(std::uint32_t& field, const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return false;
    const auto mode = number_of<std::uint32_t>(*text, 8);
    if (!mode || *mode > 0777) return false;
    field = *mode;
    return true;
}
std::string show_octal(const std::uint32_t& field) {
    std::string digits = "\"0";
    for (const int shift : {6, 3, 0}) digits += static_cast<char>('0' + (field >> shift & 7));
    return digits + '"';
}

bool read_port(PortWish& field, const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        if (*text != "auto" && *text != "none") return false;
        field = {*text == "auto" ? PortWish::Kind::Auto : PortWish::Kind::None, 0};
        return true;
    }
    std::uint16_t number = 0;
    if (!read_integer<1, 65535>(number, value)) return false;
    field = {PortWish::Kind::Fixed, number};
    return true;
}
std::string show(const PortWish& field) {
    switch (field.kind) {
        case PortWish::Kind::Auto: return "\"auto\"";
        case PortWish::Kind::None: return "\"none\"";
        case PortWish::Kind::Fixed: return std::to_string(field.number);
    }
    return "";
}

bool read_range(PortRange& field, const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return false;
    const auto dash = text->find('-');
    if (dash == std::string::npos) return false;
    const auto first = number_of<std::uint16_t>(std::string_view(*text).substr(0, dash));
    const auto last = number_of<std::uint16_t>(std::string_view(*text).substr(dash + 1));
    if (!first || !last || *first == 0 || *first > *last) return false;
    field = {*first, *last};
    return true;
}
std::string show(const PortRange& field) {
    return toml_string(std::to_string(field.first) + "-" + std::to_string(field.last));
}

bool read_signal(int& field, const Value& value) {
    std::optional<int> number;
    if (const auto* text = std::get_if<std::string>(&value)) number = signal_number(*text);
    if (const auto* given = std::get_if<std::int64_t>(&value)) number = signal_number(std::to_string(*given));
    if (!number) return false;
    field = *number;
    return true;
}
std::string show_signal(const int& field) {
    const std::string name = signal_name(field);
    return name.starts_with("SIG") ? toml_string(name) : std::to_string(field);
}

bool read_cores(double& field, const Value& value) {
    double cores = -1;
    if (const auto* real = std::get_if<double>(&value)) cores = *real;
    if (const auto* whole = std::get_if<std::int64_t>(&value)) cores = static_cast<double>(*whole);
    // cpu.max counts microseconds of 100 ms and takes no fewer than 1,000 of them.
    if (!std::isfinite(cores) || (cores != 0 && cores < 0.01) || cores > 100'000) return false;
    field = cores;
    return true;
}
std::string show(const double& field) {
    std::array<char, 32> digits{};
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), field);
    std::string text(digits.data(), error == std::errc{} ? end : digits.data());
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
}

bool read_hostnames(std::vector<std::string>& field, const Value& value) {
    std::vector<std::string> given;
    if (const auto* text = std::get_if<std::string>(&value)) {
        if (!text->empty()) given.push_back(*text);
    } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
        given = *list;
    } else {
        return false;
    }
    for (std::string& name : given) {
        auto canonical = hostname_of(name);
        if (!canonical) return false;
        name = std::move(*canonical);
    }
    field = std::move(given);
    return true;
}

bool read_user(std::string& field, const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        if (!is_word(*text)) return false;
        field = *text;
        return true;
    }
    const auto* number = std::get_if<std::int64_t>(&value);
    // (uid_t)-1 means "unchanged": setresuid(2).
    if (number == nullptr || *number < 0 || *number >= std::numeric_limits<std::uint32_t>::max())
        return false;
    field = std::to_string(*number);
    return true;
}

bool read_core_size(std::optional<std::uint64_t>& field, const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (text != nullptr && text->empty()) {
        field.reset();
        return true;
    }
    std::uint64_t size = 0;
    if (!read_size<0, false>(size, value)) return false;
    field = size;
    return true;
}
std::string show(const std::optional<std::uint64_t>& field) {
    return field ? show_size(*field) : "\"\"";
}

bool is_url_path(std::string_view text) {
    // What can stand in a request line: RFC 9112, section 3. "$": the rest is known after expansion alone.
    return (text.starts_with('/') || text.starts_with('$')) &&
           std::all_of(text.begin(), text.end(), [](char c) {
               const auto byte = static_cast<unsigned char>(c);
               return byte > 0x20 && byte != 0x7f;
           });
}

bool is_admin_url(std::string_view text) {
    if (text.empty()) return true;
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!text.starts_with(scheme)) continue;
        text.remove_prefix(scheme.size());
        if (text.find_first_of(" \t\r\n?#") != std::string_view::npos) return false;
        std::string_view host = text.substr(0, text.find('/'));
        // Credentials belong into secret_file, not into a URL that is logged.
        if (host.find('@') != std::string_view::npos) return false;
        if (host.starts_with('[')) {
            const auto close = host.find(']');
            if (close == std::string_view::npos || close < 3) return false;
            host.remove_prefix(close + 1);
            if (host.empty()) return true;
            const auto port = host.starts_with(':') ? number_of<std::uint16_t>(host.substr(1)) : std::nullopt;
            return port && *port != 0;
        }
        return hostname_of(host).has_value();
    }
    return false;
}

bool is_listen_address(std::string_view text) {
    if (text.empty()) return true;
    if (text.starts_with("unix:")) return text.starts_with("unix:/") && text.size() > 6;
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    const std::string_view host = text.substr(0, colon);
    const bool v6 = host.starts_with('[') && host.ends_with(']') && host.size() > 3;
    return number_of<std::uint16_t>(text.substr(colon + 1)) && (v6 || hostname_of(host));
}

bool is_word(std::string_view text) {
    return text.find_first_of(" \t\r\n:/") == std::string_view::npos;
}
bool is_optional_variable(std::string_view text) {
    return text.empty() || is_variable_name(text);
}
bool is_optional_app(std::string_view text) {
    return text.empty() || is_app_id(text);
}
bool is_optional_id(std::string_view text) {
    return text.empty() || is_instance_id(text);
}

}  // namespace pmctl::fields
