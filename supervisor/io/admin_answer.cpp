#include "supervisor/io/admin_answer.hpp"

#include <algorithm>
#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include "shared/json_text.hpp"
#include "supervisor/core/names.hpp"
#include "supervisor/io/json_document.hpp"
#include "supervisor/io/printable.hpp"

namespace pmctl {

namespace json = boost::json;

namespace {

constexpr std::string_view id_rule = "1 to 128 of A-Z a-z 0-9 . _ : -";
constexpr std::string_view app_rule = "an application id: no empty component, no \"..\", no leading \"/\"";
constexpr std::string_view name_rule = "a letter or _, then letters, digits and _ . -";

// The service's name for a key of ours.
struct Alias {
    std::string_view name;
    std::string_view key;
};
constexpr std::array<Alias, 3> aliases = {
    {{"appId", "app"}, {"displayName", "description"}, {"dbName", "db_name"}}};

std::string_view view(const json::string& text) {
    return {text.data(), text.size()};
}
std::string_view view(json::string_view text) {
    return {text.data(), text.size()};
}

std::string number_text(double number) {
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    return {digits.data(), end};
}

// For a message.
std::string shown(const json::value& value) {
    switch (value.kind()) {
        case json::kind::null: return "null";
        case json::kind::bool_: return value.get_bool() ? "true" : "false";
        case json::kind::int64: return std::to_string(value.get_int64());
        case json::kind::uint64: return std::to_string(value.get_uint64());
        case json::kind::double_: return number_text(value.get_double());
        case json::kind::string: return "'" + escaped(view(value.get_string()), 60) + "'";
        case json::kind::array: return "a list";
        case json::kind::object: return "an object";
    }
    return {};
}

// What makes a text unfit to be shown, to be a name, or to reach a process; "" if nothing does.
std::string text_fault(std::string_view text, std::size_t max_bytes, bool many_lines) {
    if (text.size() > max_bytes)
        return "has " + std::to_string(text.size()) + " bytes, at most " + std::to_string(max_bytes) +
               " are allowed";
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (many_lines && (text[i] == '\n' || text[i] == '\t' || text[i] == '\r')) continue;
        // C1 controls, U+0080 to U+009F, are C2 80 to C2 9F.
        const bool is_c1 =
            byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (byte < 0x20 || byte == 0x7f || is_c1)
            return "has a control character at byte " + std::to_string(i) + ", which is not allowed";
    }
    return {};
}

std::optional<Value> value_of(const json::value& from) {
    switch (from.kind()) {
        case json::kind::bool_: return from.get_bool();
        case json::kind::int64: return from.get_int64();
        case json::kind::double_: return from.get_double();
        case json::kind::string: return std::string(view(from.get_string()));
        case json::kind::array: {
            std::vector<std::string> list;
            for (const json::value& each : from.get_array()) {
                if (!each.is_string()) return std::nullopt;
                list.emplace_back(view(each.get_string()));
            }
            return list;
        }
        case json::kind::null:
        case json::kind::uint64:  // over the largest of std::int64_t
        case json::kind::object: return std::nullopt;
    }
    return std::nullopt;
}

bool is_table(std::string_view name) {
    const std::string prefix = std::string(name) + '.';
    const auto settings = instance_settings();
    return std::any_of(settings.begin(), settings.end(),
                       [&](const Setting& setting) { return setting.key.starts_with(prefix); });
}

// One entry's fields; the first fault ends it.
class EntryReader {
  public:
    std::vector<AdminField> fields;
    std::string fault;  // "": none

    void read(const json::object& from) {
        for (const Alias& alias : aliases) {
            if (const json::value* value = present(from, alias.name)) add_text(alias, *value);
        }
        add_hostnames(from);
        if (const json::value* value = present(from, "version")) add_version(*value);
        if (const json::value* value = present(from, "env")) add_env(*value);
        for (const auto& member : from) {
            if (!fault.empty()) return;
            const std::string_view name = view(member.key());
            if (!member.value().is_null() && name != "env") add_other(name, member.value());
        }
        std::sort(fields.begin(), fields.end(),
                  [](const AdminField& a, const AdminField& b) { return a.key < b.key; });
    }

  private:
    static const json::value* present(const json::object& from, std::string_view name) {
        const json::value* value = from.if_contains(name);
        return value == nullptr || value->is_null() ? nullptr : value;
    }
    bool has(std::string_view key) const {
        return std::any_of(fields.begin(), fields.end(),
                           [&](const AdminField& field) { return field.key == key; });
    }

    void blame(std::string_view name, const std::string& what) {
        if (fault.empty()) fault = "'" + escaped(name, 80) + "' " + what;
    }
    void blame(std::string_view name, const json::value& found, std::string_view allowed) {
        blame(name, "is " + shown(found) + ", allowed: " + std::string(allowed));
    }
    // False: blamed.
    bool is_clean(std::string_view name, const Value& value) {
        const auto check = [&](std::string_view text) {
            const std::string found = text_fault(text, max_admin_text_bytes, false);
            if (!found.empty()) blame(name, found);
            return found.empty();
        };
        if (const auto* text = std::get_if<std::string>(&value)) return check(*text);
        const auto* list = std::get_if<std::vector<std::string>>(&value);
        if (list == nullptr) return true;
        if (list->size() > max_admin_list) {
            blame(name, "has " + std::to_string(list->size()) + " elements, at most " +
                            std::to_string(max_admin_list) + " are allowed");
            return false;
        }
        return std::all_of(list->begin(), list->end(), check);
    }

    void add_text(const Alias& alias, const json::value& from) {
        if (!from.is_string()) return blame(alias.name, from, "a string");
        std::string text(view(from.get_string()));
        if (alias.key == "app" && !is_app_id(text)) return blame(alias.name, from, app_rule);
        if (!is_clean(alias.name, text)) return;
        fields.push_back({std::string(alias.key), std::move(text)});
    }

    void add_hostnames(const json::object& from) {
        std::vector<std::string> names;
        bool given = false;
        for (const std::string_view name : {"hostName", "hostNames"}) {
            const json::value* value = present(from, name);
            if (value == nullptr || (value->is_string() && value->get_string().empty())) continue;
            given = true;
            auto list = value_of(*value);
            if (list && std::holds_alternative<std::string>(*list))
                list = std::vector<std::string>{std::get<std::string>(*list)};
            if (!list || !std::holds_alternative<std::vector<std::string>>(*list))
                return blame(name, *value, "a hostname or a list of hostnames");
            if (!is_clean(name, *list)) return;
            for (const std::string& text : std::get<std::vector<std::string>>(*list)) {
                auto canonical = hostname_of(text);
                if (!canonical)
                    return blame(name,
                                 "is '" + escaped(text, 60) +
                                     "', allowed: a hostname such as \"shop.localhost\", with a port or "
                                     "without");
                if (std::find(names.begin(), names.end(), *canonical) == names.end())
                    names.push_back(std::move(*canonical));
            }
        }
        if (given) fields.push_back({"hostname", std::move(names)});
    }

    void add_version(const json::value& from) {
        std::string text;
        if (from.is_string()) {
            text = view(from.get_string());
        } else if (from.is_number() && !(from.is_double() && !std::isfinite(from.get_double()))) {
            text = shown(from);
        } else {
            return blame("version", from, "a string or a number");
        }
        if (is_clean("version", text)) fields.push_back({"version", std::move(text)});
    }

    void add_env(const json::value& from) {
        if (!from.is_object()) return blame("env", from, "an object of strings");
        const json::object& variables = from.get_object();
        if (variables.size() > max_admin_variables)
            return blame("env", "has " + std::to_string(variables.size()) + " variables, at most " +
                                    std::to_string(max_admin_variables) + " are allowed");
        for (const auto& variable : variables) {
            const std::string_view name = view(variable.key());
            if (variable.value().is_null()) continue;
            if (!is_variable_name(name) || name.size() > max_admin_text_bytes)
                return blame("env", "names '" + escaped(name, 60) + "', allowed: " + std::string(name_rule));
            std::string key = "env." + std::string(name);
            if (!variable.value().is_string()) return blame(key, variable.value(), "a string");
            std::string text(view(variable.value().get_string()));
            const std::string found = text_fault(text, max_admin_variable_bytes, true);
            if (!found.empty()) return blame(key, found);
            fields.push_back({std::move(key), std::move(text)});
        }
    }

    // Under the name that files use, where it is one.
    void add_other(std::string_view name, const json::value& from) {
        if (from.is_object() && is_table(name)) {
            for (const auto& member : from.get_object()) {
                const std::string key = std::string(name) + '.' + std::string(view(member.key()));
                if (!member.value().is_null()) add_setting(key, member.value());
            }
        } else {
            add_setting(name, from);
        }
    }

    void add_setting(std::string_view key, const json::value& from) {
        const Setting* setting = find_instance_setting(key);
        if (setting == nullptr || setting->set_instance == nullptr || has(key)) return;
        const auto value = value_of(from);
        InstanceSpec scratch;
        if (value && !is_clean(key, *value)) return;
        if (!value || !setting->set_instance(scratch, *value)) return blame(key, from, setting->allowed);
        if (key == "hostname") {
            fields.push_back({std::string(key), scratch.hostnames});
        } else {
            fields.push_back({std::string(key), *value});
        }
    }
};

// Nothing where the entry has none.
std::optional<std::string_view> id_in(const json::value& entry) {
    if (!entry.is_object()) return std::nullopt;
    const json::value* id = entry.get_object().if_contains("instanceId");
    if (id == nullptr || !id->is_string()) return std::nullopt;
    return view(id->get_string());
}

// What it is called in a message about it.
std::string name_of(const json::value& entry, std::size_t number) {
    const auto id = id_in(entry);
    return id && !id->empty() ? escaped(*id, 128) : "entry " + std::to_string(number);
}

// Error: why it is left out.
Result<AdminEntry> read_entry(const json::value& from) {
    if (!from.is_object()) return fail("is " + shown(from) + ", allowed: an object");
    const json::value* id = from.get_object().if_contains("instanceId");
    if (id == nullptr || id->is_null()) return fail("has no 'instanceId'");
    if (!id->is_string() || !is_instance_id(view(id->get_string())))
        return fail("'instanceId' is " + shown(*id) + ", allowed: " + std::string(id_rule));
    EntryReader reader;
    reader.read(from.get_object());
    if (!reader.fault.empty()) return fail(std::move(reader.fault));
    AdminEntry entry;
    entry.id = view(id->get_string());
    entry.fields = std::move(reader.fields);
    return entry;
}

}  // namespace

Result<AdminAnswer> parse_admin_answer(std::string_view body) {
    if (body.size() > max_admin_answer_bytes) return fail("the answer is over 16 MiB");
    json::monotonic_resource memory;
    json::value document(&memory);
    if (const auto parsed = parse_json_document(body, {}, document); !parsed)
        return fail("the answer is no valid JSON: " + parsed.error().message);
    if (!document.is_object()) return fail("the answer is " + shown(document) + ", not an object");
    const json::value* applications = document.get_object().if_contains("applications");
    if (applications == nullptr) return fail("the answer has no 'applications'");
    if (!applications->is_array())
        return fail("'applications' of the answer is " + shown(*applications) + ", not a list");
    const json::array& entries = applications->get_array();
    if (entries.size() > max_admin_entries)
        return fail("the answer lists " + std::to_string(entries.size()) + " applications, at most " +
                    std::to_string(max_admin_entries) + " are allowed");

    std::unordered_set<std::string_view> ids;
    for (const json::value& entry : entries) {
        const auto id = id_in(entry);
        if (id && !ids.insert(*id).second)
            return fail("the answer lists the id '" + escaped(*id, 128) + "' twice");
    }

    AdminAnswer answer;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        auto entry = read_entry(entries[i]);
        if (entry) {
            answer.entries.push_back(std::move(*entry));
        } else {
            answer.left_out.push_back({name_of(entries[i], i + 1), std::move(entry.error().message)});
        }
    }
    std::sort(answer.entries.begin(), answer.entries.end(),
              [](const AdminEntry& a, const AdminEntry& b) { return a.id < b.id; });
    std::stable_sort(answer.left_out.begin(), answer.left_out.end(),
                     [](const AdminOmission& a, const AdminOmission& b) { return a.id < b.id; });
    return answer;
}

Result<AdminEvent> parse_admin_event(std::string_view body) {
    json::value document;
    if (const auto parsed = parse_json_document(body, {8, 1000}, document); !parsed)
        return fail("the event is no valid JSON: " + parsed.error().message);
    if (!document.is_object()) return fail("the event is " + shown(document) + ", not an object");
    const json::value* id = document.get_object().if_contains("id");
    if (id == nullptr) return fail("the event has no 'id'");
    if (!id->is_int64() || id->get_int64() < 0)
        return fail("'id' of the event is " + shown(*id) +
                    ", allowed: an integer from 0 to 9223372036854775807");
    AdminEvent event;
    event.id = static_cast<std::uint64_t>(id->get_int64());
    // Only ever shown: one that cannot be is no reason to miss the event.
    const json::value* version = document.get_object().if_contains("version");
    if (version != nullptr && version->is_string()) {
        event.version = short_text(view(version->get_string()), 200);
    } else if (version != nullptr && version->is_number()) {
        event.version = shown(*version);
    }
    return event;
}

}  // namespace pmctl
