// How one kind of value is read from TOML into a field and shown again: the building blocks of the table in
// settings.cpp, and of nothing else.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>

#include "shared/size.hpp"
#include "supervisor/core/settings.hpp"
#include "supervisor/core/toml_text.hpp"

namespace pmctl::fields {

// Words and what they mean, for enumerations.
template <class Enum, std::size_t count>
struct Words {
    std::array<std::string_view, count> words;
    std::array<Enum, count> values;
};
constexpr Words<HealthKind, 4> health_kinds = {
    {"http", "tcp", "exec", "none"}, {HealthKind::Http, HealthKind::Tcp, HealthKind::Exec, HealthKind::None}};
constexpr Words<RestartMode, 3> restart_modes = {
    {"always", "on-failure", "never"}, {RestartMode::Always, RestartMode::OnFailure, RestartMode::Never}};
constexpr Words<UpdateStrategy, 2> update_strategies = {{"rolling", "recreate"},
                                                        {UpdateStrategy::Rolling, UpdateStrategy::Recreate}};
constexpr Words<MassRemoval, 2> mass_removals = {{"confirm", "obey"},
                                                 {MassRemoval::Confirm, MassRemoval::Obey}};
constexpr std::array<std::string_view, 5> log_levels = {"trace", "debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 2> log_formats = {"text", "json"};

inline bool any_text(std::string_view) {
    return true;
}

template <bool (*allowed)(std::string_view)>
bool read_text(std::string& field, const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr || !allowed(*text)) return false;
    field = *text;
    return true;
}

template <const auto& choices>
bool read_choice(std::string& field, const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return false;
    for (const std::string_view choice : choices) {
        if (choice != *text) continue;
        field = *text;
        return true;
    }
    return false;
}

template <const auto& table, class Enum>
bool read_word(Enum& field, const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return false;
    for (std::size_t i = 0; i < table.words.size(); ++i) {
        if (table.words[i] != *text) continue;
        field = table.values[i];
        return true;
    }
    return false;
}
template <const auto& table, class Enum>
std::string show_word(const Enum& field) {
    for (std::size_t i = 0; i < table.values.size(); ++i) {
        if (table.values[i] == field) return toml_string(table.words[i]);
    }
    return "\"\"";
}

inline bool read_flag(bool& field, const Value& value) {
    const auto* flag = std::get_if<bool>(&value);
    if (flag == nullptr) return false;
    field = *flag;
    return true;
}

template <std::int64_t least, std::int64_t most, class Integer>
bool read_integer(Integer& field, const Value& value) {
    const auto* number = std::get_if<std::int64_t>(&value);
    if (number == nullptr || *number < least || *number > most) return false;
    field = static_cast<Integer>(*number);
    return true;
}

template <std::int64_t least_ms>
bool read_duration(Duration& field, const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return false;
    const auto duration = parse_duration(*text);
    // 100 years: deadlines are sums with the clock, which must not overflow.
    if (!duration || *duration < std::chrono::milliseconds(least_ms) || *duration > std::chrono::years(100))
        return false;
    field = *duration;
    return true;
}

template <std::uint64_t least, bool may_be_empty>
bool read_size(std::uint64_t& field, const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return false;
    if (may_be_empty && text->empty()) {
        field = 0;
        return true;
    }
    const auto size = parse_size(*text);
    if (!size || *size < least || *size > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return false;
    field = *size;
    return true;
}
inline std::string show_size(const std::uint64_t& field) {
    return toml_string(format_size(field));
}
inline std::string show_size_or_none(const std::uint64_t& field) {
    return field == 0 ? "\"\"" : show_size(field);
}

inline bool read_list(std::vector<std::string>& field, const Value& value) {
    const auto* list = std::get_if<std::vector<std::string>>(&value);
    if (list == nullptr) return false;
    field = *list;
    return true;
}

// Those that need more than a line: settings_fields.cpp.
bool read_octal(std::uint32_t& field, const Value& value);
std::string show_octal(const std::uint32_t& field);
bool read_port(PortWish& field, const Value& value);
bool read_range(PortRange& field, const Value& value);
bool read_signal(int& field, const Value& value);
bool read_cores(double& field, const Value& value);
bool read_hostnames(std::vector<std::string>& field, const Value& value);
bool read_user(std::string& field, const Value& value);
bool read_core_size(std::optional<std::uint64_t>& field, const Value& value);
bool is_url_path(std::string_view text);
bool is_admin_url(std::string_view text);
bool is_listen_address(std::string_view text);
bool is_word(std::string_view text);
bool is_optional_variable(std::string_view text);
bool is_optional_app(std::string_view text);
bool is_optional_id(std::string_view text);

inline std::string show(const std::string& field) {
    return toml_string(field);
}
inline std::string show(const bool& field) {
    return field ? "true" : "false";
}
inline std::string show(const std::uint32_t& field) {
    return std::to_string(field);
}
inline std::string show(const std::uint64_t& field) {
    return std::to_string(field);
}
inline std::string show(const Duration& field) {
    return toml_string(format_duration(field));
}
inline std::string show(const std::vector<std::string>& field) {
    return toml_list(field);
}
std::string show(const double& field);
std::string show(const PortWish& field);
std::string show(const PortRange& field);
std::string show(const std::optional<std::uint64_t>& field);
std::string show_signal(const int& field);

// The two function pointers of a Setting, for a field that `get` finds in the struct.
template <auto get, auto read>
bool set_in_instance(InstanceSpec& spec, const Value& value) {
    return read(get(spec), value);
}
template <auto get>
std::string shown_of_instance(const InstanceSpec& spec) {
    return show(get(spec));
}
template <auto get, auto show_as>
std::string shown_of_instance_as(const InstanceSpec& spec) {
    return show_as(get(spec));
}
template <auto get, auto read>
bool set_in_global(GlobalSettings& settings, const Value& value) {
    return read(get(settings), value);
}
template <auto get>
std::string shown_of_global(const GlobalSettings& settings) {
    return show(get(settings));
}
template <auto get, auto show_as>
std::string shown_of_global_as(const GlobalSettings& settings) {
    return show_as(get(settings));
}

}  // namespace pmctl::fields
