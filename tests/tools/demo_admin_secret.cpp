#include "tests/tools/demo_admin_secret.hpp"

#include <sys/stat.h>

#include <cstdlib>

#include "shared/text_file.hpp"

namespace pmctl {

namespace {

constexpr std::uint64_t max_secret_bytes = 4096;
constexpr const char* usual_variable = "INTERNAL_SECRET";  // what a supervisor hands its children

Result<std::optional<std::string>> from_file(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return fail("'" + path + "': others may read the secret; chmod 600 it");
    const auto text = read_text_file(path, max_secret_bytes);
    if (!text) return tl::unexpected(text.error());
    const auto end = text->find_last_not_of(" \t\r\n");
    if (end == std::string::npos) return fail("'" + path + "': there is no secret in it");
    return text->substr(0, end + 1);
}

}  // namespace

Result<std::optional<std::string>> read_demo_secret(const DemoSecretSource& source) {
    if (source.no_auth) return std::nullopt;
    if (!source.file.empty()) return from_file(source.file);
    const std::string name = source.variable.empty() ? usual_variable : source.variable;
    const char* value = std::getenv(name.c_str());
    if (value != nullptr && *value != '\0') return std::string(value);
    if (!source.variable.empty())
        return fail(ErrorKind::Invalid, "--secret-env: there is no $" + name + " in the environment");
    return fail(
        ErrorKind::Invalid,
        "no secret: give --secret-file FILE, set $INTERNAL_SECRET, or let everybody ask by --no-auth");
}

}  // namespace pmctl
