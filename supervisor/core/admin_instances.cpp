#include "supervisor/core/admin_instances.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "supervisor/core/field_value.hpp"
#include "supervisor/core/names.hpp"
#include "supervisor/core/toml_text.hpp"

namespace pmctl {
namespace {

constexpr std::string_view env_prefix = "env.";

// "health" of "health.path"; "" of a key in no table.
std::string_view table_of(std::string_view key) {
    const auto dot = key.find('.');
    return dot == std::string_view::npos ? std::string_view() : key.substr(0, dot);
}

class EntryReader {
  public:
    EntryReader(const std::vector<std::string>& allow, const std::string& folder,
                std::vector<AdminOmission>& left_out)
        : allow_(allow.begin(), allow.end()), folder_(folder), left_out_(left_out) {
        allow_.insert({"app", "description", "db_name"});
    }

    std::optional<Block> read(const AdminEntry& entry) {
        Block block{entry.id, {admin_file, 0, 0}, {}, entry.event};
        block.fields.reserve(entry.fields.size());
        std::string_view told;  // each refused table of variables once
        for (const AdminField& given : entry.fields) {
            const bool is_env = given.key.starts_with(env_prefix);
            const Setting* setting = is_env ? find_instance_setting("env") : setting_of(given.key);
            if (setting == nullptr) continue;  // a field of the service that means nothing here
            if (!is_allowed(setting->key)) {
                if (told != setting->key)
                    leave_out(entry, "'" + std::string(setting->key) + "' is not in admin.allow, ignored");
                told = setting->key;
                continue;
            }
            const std::string fault = is_env ? variable_fault(given) : value_fault(*setting, given.value);
            if (!fault.empty()) {
                leave_out(entry, fault);
                return std::nullopt;
            }
            Value value = given.value;
            resolve_paths(value, setting->path, folder_);
            block.fields.push_back(
                {setting, is_env ? given.key.substr(env_prefix.size()) : "", std::move(value), block.at});
        }
        return block;
    }

    void leave_out(const AdminEntry& entry, std::string reason) {
        left_out_.push_back({entry.id, std::move(reason)});
    }

  private:
    static const Setting* setting_of(std::string_view key) {
        for (const Setting& setting : service_settings()) {
            if (setting.key == key) return &setting;
        }
        return find_instance_setting(key);
    }

    bool is_allowed(std::string_view key) const {
        return allow_.contains(key) || allow_.contains(table_of(key));
    }

    static std::string variable_fault(const AdminField& given) {
        const std::string name = given.key.substr(env_prefix.size());
        if (!is_variable_name(name)) return quoted(name) + " is no name of an environment variable";
        // What a variable holds may be a secret.
        if (!std::holds_alternative<std::string>(given.value)) return "'env." + name + "' is no string";
        return has_nul(given.value) ? "'env." + name + "' has a NUL character in it" : "";
    }

    std::string value_fault(const Setting& setting, const Value& value) {
        const std::string key(setting.key);
        if (has_nul(value)) return "'" + key + "' has a NUL character in it";
        if (setting.set_instance != nullptr && setting.set_instance(scratch_, value)) return "";
        return "'" + key + "' is " + value_text(value) + "; allowed: " + std::string(setting.allowed);
    }

    std::set<std::string_view> allow_;
    const std::string& folder_;
    std::vector<AdminOmission>& left_out_;
    InstanceSpec scratch_;  // takes each value once, to see whether it may
};

}  // namespace

AdminInstances::AdminInstances(const std::vector<AdminEntry>& entries, const std::vector<std::string>& allow,
                               const std::string& folder, std::vector<AdminOmission>& left_out) {
    EntryReader reader(allow, folder, left_out);
    blocks_.reserve(entries.size());
    for (const AdminEntry& entry : entries) {
        if (!is_instance_id(entry.id)) {
            left_out.push_back({quoted(entry.id), "this is no instance id"});
            continue;
        }
        if (auto block = reader.read(entry)) blocks_.push_back(std::move(*block));
    }
    const auto by_name = [](const Block& a, const Block& b) { return a.name < b.name; };
    const auto same_name = [](const Block& a, const Block& b) { return a.name == b.name; };
    if (!std::is_sorted(blocks_.begin(), blocks_.end(), by_name))
        std::stable_sort(blocks_.begin(), blocks_.end(), by_name);
    for (auto twice = std::adjacent_find(blocks_.begin(), blocks_.end(), same_name); twice != blocks_.end();
         twice = std::adjacent_find(twice + 1, blocks_.end(), same_name))
        left_out.push_back({twice->name, "there are two entries of this id; the first one counts"});
    blocks_.erase(std::unique(blocks_.begin(), blocks_.end(), same_name), blocks_.end());
}

std::vector<std::string> AdminInstances::ids() const {
    std::vector<std::string> ids;
    ids.reserve(blocks_.size());
    for (const Block& block : blocks_) ids.push_back(block.name);
    return ids;
}

LayerIndex::Blocks AdminInstances::find(std::string_view id) const {
    const auto at = std::lower_bound(blocks_.begin(), blocks_.end(), id,
                                     [](const Block& block, std::string_view i) { return block.name < i; });
    if (at == blocks_.end() || at->name != id) return {};
    return {&*at};
}

}  // namespace pmctl
