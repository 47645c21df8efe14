#include "supervisor/core/config_parse.hpp"

#include <algorithm>

#include "shared/nearest.hpp"
#include "shared/path.hpp"
#include "shared/toml.hpp"
#include "supervisor/core/field_value.hpp"
#include "supervisor/core/names.hpp"
#include "supervisor/core/text_fault.hpp"
#include "supervisor/core/toml_text.hpp"

namespace pmctl {
namespace {

std::string found(const toml::node& node) {
    if (const auto* text = node.as_string()) return quoted(text->get());
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
    if (node.is_floating_point()) return "a decimal number";
    if (node.is_table()) return "a table";
    if (const auto* list = node.as_array()) {
        for (const auto& item : *list) {
            if (!item.is_string()) return "a list with " + found(item) + " in it";
        }
        return "a list";
    }
    return "a date or time";
}

// Nothing for what no setting takes.
std::optional<Value> value_of(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return number->get();
    if (const auto* real = node.as_floating_point()) return real->get();
    if (const auto* flag = node.as_boolean()) return flag->get();
    const auto* list = node.as_array();
    if (list == nullptr) return std::nullopt;
    std::vector<std::string> items;
    items.reserve(list->size());
    for (const auto& item : *list) {
        const auto* text = item.as_string();
        if (text == nullptr) return std::nullopt;
        items.push_back(text->get());
    }
    return items;
}

std::string quoted_list(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "'" : ", '") + name + "'";
    return text;
}

// The names that may stand behind `prefix` ("" or "health."): first parts alone, each once.
std::vector<std::string> names_behind(std::span<const Setting> settings, std::string_view prefix) {
    std::vector<std::string> names;
    for (const Setting& setting : settings) {
        if (!setting.key.starts_with(prefix)) continue;
        const std::string_view rest = setting.key.substr(prefix.size());
        std::string name(rest.substr(0, rest.find('.')));
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
    }
    return names;
}

bool is_group(std::span<const Setting> settings, const std::string& prefix) {
    return std::any_of(settings.begin(), settings.end(),
                       [&prefix](const Setting& setting) { return setting.key.starts_with(prefix); });
}

class FileReader {
  public:
    FileReader(std::uint32_t file, FileRole role, ParsedFile& out)
        : file_(file), role_(role), folder_(folder_of(out.layer.path)), out_(out) {}

    void read(const toml::table& root) {
        for (const auto& [key, node] : root) {
            const std::string name(key.str());
            if (name == "include") {
                read_include(key, node);
            } else if (name == "defaults") {
                out_.layer.defaults.at = at(key);
                if (const auto* table = table_of(node, name))
                    read_instance_keys(*table, "defaults", "", out_.layer.defaults.fields);
            } else if (name == "apps" || name == "instances") {
                if (const auto* table = table_of(node, name)) read_blocks(*table, name);
            } else if (name == "supervisor" || name == "ports" || name == "admin" || name == "http") {
                read_global(key, node, name);
            } else {
                unknown_section(key, node, name);
            }
        }
    }

  private:
    Position at(const toml::source_position& position) const {
        return {file_, static_cast<std::uint32_t>(position.line),
                static_cast<std::uint32_t>(position.column)};
    }
    Position at(const toml::key& key) const { return at(key.source().begin); }
    Position at(const toml::node& node) const { return at(node.source().begin); }

    void problem(Position where, std::string message) {
        out_.problems.push_back({out_.layer.path, where.line, where.column, std::move(message)});
    }
    void wrong(const toml::node& node, const std::string& key, std::string_view allowed) {
        problem(at(node), "'" + key + "' is " + found(node) + "; allowed: " + std::string(allowed));
    }
    const toml::table* table_of(const toml::node& node, const std::string& key) {
        const auto* table = node.as_table();
        if (table == nullptr) wrong(node, key, "a table");
        return table;
    }

    void unknown_section(const toml::key& key, const toml::node& node, const std::string& name) {
        const std::vector<std::string> sections = {"include", "supervisor", "ports", "admin",
                                                   "http",    "defaults",   "apps",  "instances"};
        std::string message = "unknown key '" + name + "'; ";
        const auto* table = node.as_table();
        if (const std::string near = nearest(name, sections); !near.empty())
            message += "did you mean '" + near + "'?";
        else if (table != nullptr && (table->contains("command") || table->contains("app")))
            message += "did you mean [instances." + toml_key(name) + "]?";
        else
            message += "allowed here are " + quoted_list(sections);
        problem(at(key), std::move(message));
    }

    void unknown_key(const toml::key& key, std::span<const Setting> settings, const std::string& section,
                     const std::string& prefix) {
        const std::string name(key.str());
        std::string message = "unknown key '" + name + "' in [" + section + "]; ";
        const auto names = names_behind(settings, prefix);
        // A key of another table of the same instance: [instances.web] interval.
        std::string elsewhere;
        for (const Setting& setting : settings) {
            const auto dot = setting.key.rfind('.');
            if (prefix.empty() && dot == std::string_view::npos) continue;
            if (setting.section != Section::Instance || setting.key.substr(dot + 1) != name) continue;
            elsewhere += (elsewhere.empty() ? "'" : " or '") + std::string(setting.key) + "'";
        }
        if (!elsewhere.empty())
            message += "did you mean " + elsewhere + "?";
        else if (const std::string near = nearest(name, names); !near.empty())
            message += "did you mean '" + near + "'?";
        else
            message += "allowed here are " + quoted_list(names);
        problem(at(key), std::move(message));
    }

    void read_include(const toml::key& key, const toml::node& node) {
        if (role_ == FileRole::Included)
            return problem(at(key), "'include' is allowed in the main file only");
        const auto value = value_of(node);
        const auto* list = value ? std::get_if<std::vector<std::string>>(&*value) : nullptr;
        if (list == nullptr) return wrong(node, "include", "a list of paths and globs");
        for (std::size_t i = 0; i < list->size(); ++i) {
            const auto& item = *node.as_array()->get(i);
            if ((*list)[i].empty() || (*list)[i].find('\0') != std::string::npos)
                wrong(item, "include", "paths and globs such as \"conf.d/*.toml\"");
            else
                out_.layer.includes.push_back({resolve_path(folder_, (*list)[i]), at(item)});
        }
    }

    void read_global(const toml::key& key, const toml::node& node, const std::string& name) {
        if (name == "supervisor" && role_ == FileRole::Included)
            return problem(at(key),
                           "[supervisor] is allowed in the main file only, which says how all is run");
        const auto* table = table_of(node, name);
        if (table == nullptr) return;
        if (name == "admin") out_.layer.admin = at(key);
        const std::string prefix = name + ".";
        for (const auto& [each, value] : *table) {
            const Setting* setting = find_global_setting(prefix + std::string(each.str()));
            if (setting == nullptr)
                unknown_key(each, global_settings(), name, prefix);
            else
                read_field(each, value, *setting, prefix + std::string(each.str()), out_.layer.globals);
        }
    }

    void read_blocks(const toml::table& table, const std::string& kind) {
        const bool apps = kind == "apps";
        auto& blocks = apps ? out_.layer.apps : out_.layer.instances;
        blocks.reserve(table.size());
        for (const auto& [key, node] : table) {
            const std::string name(key.str());
            const std::string section = kind + "." + toml_key(name);
            if (apps ? name != "*" && !is_app_id(name) : !is_instance_id(name)) {
                problem(at(key),
                        apps ? "'" + name +
                                   "' is no application id; allowed: \"*\" or up to 255 characters with "
                                   "no empty component, no \"..\" and no leading \"/\""
                             : "'" + name +
                                   "' is no instance id; allowed: 1 to 128 of A-Z a-z 0-9 . _ : -, and "
                                   "neither \".\" nor \"..\"");
                continue;
            }
            const auto* keys = table_of(node, section);
            if (keys == nullptr) continue;
            Block block{name, at(key), {}};
            read_instance_keys(*keys, section, "", block.fields);
            blocks.push_back(std::move(block));
        }
    }

    void read_instance_keys(const toml::table& table, const std::string& section, const std::string& prefix,
                            std::vector<Field>& fields) {
        fields.reserve(fields.size() + table.size());
        for (const auto& [key, node] : table) {
            const std::string name = prefix + std::string(key.str());
            const Setting* setting = find_instance_setting(name);
            const std::string full = section + "." + toml_key(key.str());
            if (setting != nullptr && name == "env") {
                read_env(node, full, *setting, fields);
            } else if (setting != nullptr && name == "app" && section.starts_with("apps.")) {
                problem(at(key),
                        "'app' is not allowed in [" + section + "]: a template is not made from another");
            } else if (setting != nullptr) {
                read_field(key, node, *setting, full, fields);
            } else if (prefix.empty() && is_group(instance_settings(), name + ".")) {
                if (const auto* inner = table_of(node, full))
                    read_instance_keys(*inner, full, name + ".", fields);
            } else {
                unknown_key(key, instance_settings(), section, prefix);
            }
        }
    }

    void read_env(const toml::node& node, const std::string& full, const Setting& setting,
                  std::vector<Field>& fields) {
        const auto* table = node.as_table();
        if (table == nullptr) return wrong(node, full, setting.allowed);
        for (const auto& [key, value] : *table) {
            const std::string name(key.str());
            const auto* text = value.as_string();
            if (!is_variable_name(name))
                problem(at(key), "'" + name +
                                     "' is no name of an environment variable; allowed: letters, digits "
                                     "and _ . -, a letter or _ first");
            else if (text == nullptr)
                wrong(value, full + "." + toml_key(name),
                      value.is_integer() ? "a string, \"" + found(value) + "\"" : std::string("a string"));
            else if (has_nul(text->get()))
                problem(at(value), "'" + full + "." + toml_key(name) + "' has a NUL character in it");
            else
                fields.push_back({&setting, name, text->get(), at(key)});
        }
    }

    void read_field(const toml::key& key, const toml::node& node, const Setting& setting,
                    const std::string& full, std::vector<Field>& fields) {
        auto value = value_of(node);
        const bool good =
            value && (setting.set_instance != nullptr ? setting.set_instance(scratch_, *value)
                                                      : setting.set_global(global_scratch_, *value));
        if (!good) {
            std::string allowed(setting.allowed);
            const auto* text = node.as_string();
            const std::vector<std::string> choices(setting.choices.begin(), setting.choices.end());
            if (text != nullptr && !choices.empty()) {
                if (const std::string near = nearest(text->get(), choices); !near.empty())
                    allowed += "; did you mean \"" + near + "\"?";
            }
            wrong(node, full, allowed);
        } else if (has_nul(*value)) {
            problem(at(node), "'" + full + "' has a NUL character in it");
            value.reset();
        } else {
            resolve_paths(*value, setting.path, folder_);
        }
        const bool valid = good && value;
        fields.push_back({&setting, "", valid ? std::move(*value) : Value(), at(key), valid});
    }

    std::uint32_t file_;
    FileRole role_;
    std::string folder_;
    ParsedFile& out_;
    InstanceSpec scratch_;  // takes each value once, to see whether it may
    GlobalSettings global_scratch_;
};

}  // namespace

ParsedFile parse_config(std::string_view text, const std::string& path, std::uint32_t file, FileRole role) {
    ParsedFile out;
    out.layer.path = path;
    text = without_bom(text);
    if (auto fault = find_text_fault(text)) {
        out.complete = false;
        out.problems.push_back({path, fault->line, fault->column, std::move(fault->message)});
        return out;
    }
    try {
        FileReader(file, role, out).read(toml::parse(text));
    } catch (const toml::parse_error& error) {
        const auto where = error.source().begin;
        out.complete = false;
        out.problems.push_back({path, static_cast<std::uint32_t>(where.line),
                                static_cast<std::uint32_t>(where.column), std::string(error.description())});
    }
    return out;
}

}  // namespace pmctl
