#include "supervisor/core/admin_files.hpp"

#include <algorithm>

#include "shared/fnv.hpp"

namespace pmctl {
namespace {

std::string text_of(const std::vector<ParsedFile>& files, std::string_view key) {
    std::string text;
    for (const ParsedFile& file : files) {
        for (const Field& field : file.layer.globals) {
            if (field.valid && field.setting->key == key) text = std::get<std::string>(field.value);
        }
    }
    return text;
}

// What is wrong with it, in words that do not show it; "".
std::string fault_of(const std::string& secret) {
    if (secret.empty()) return "is empty";
    const bool printable =
        std::all_of(secret.begin(), secret.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
    if (!printable || secret.front() == ' ' || secret.back() == ' ')
        return "has a character that no header may have; allowed is printable ASCII, blanks at the ends "
               "aside";
    return "";
}

}  // namespace

AdminPaths admin_paths_of(const std::vector<ParsedFile>& files) {
    return {text_of(files, "admin.secret_file"), text_of(files, "admin.ca_file")};
}

std::string check_admin_files(const AdminSettings& admin, const AdminFiles& files,
                              const Environment& environment, ProblemList& problems) {
    if (!files.ca_fault.empty()) problems.add_global("admin.ca_file", "'admin.ca_file' " + files.ca_fault);
    std::string secret;
    if (!admin.secret_file.empty()) {
        const std::string named = "'admin.secret_file' ";
        const std::string where = "'" + admin.secret_file + "'";
        if (!files.secret || !*files.secret) {
            problems.add_global("admin.secret_file", named + (files.secret ? files.secret->error().message
                                                                           : where + ": not read"));
        } else if (const std::string fault = fault_of(**files.secret); !fault.empty()) {
            problems.add_global("admin.secret_file", named + where + ": the secret " + fault);
        } else {
            secret = **files.secret;
        }
    } else if (!admin.secret_env.empty()) {
        const std::string named = "'admin.secret_env' names '" + admin.secret_env + "', which ";
        const auto variable = environment.find(admin.secret_env);
        const std::string fault = variable == environment.end() ? "is not set" : fault_of(variable->second);
        if (fault.empty())
            secret = variable->second;
        else
            problems.add_global("admin.secret_env", named + fault);
    }
    return secret;
}

void mark_secret(InstanceSpec& spec, const std::string& secret) {
    if (spec.process.pass_internal_secret) spec.process.secret_mark = fnv1a(secret);
}

}  // namespace pmctl
