// From the options of 'add' and 'set' to an application's fields.
#include <charconv>

#include "tests/tools/demo_admin_arguments.hpp"

namespace pmctl {

namespace {

// Any number, a senseless one too: what a supervisor says to it is worth a test.
Result<std::optional<std::int64_t>> parse_replicas(const std::string& text) {
    if (text.empty()) return std::nullopt;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        return fail(ErrorKind::Invalid, "--replicas: '" + text + "' is no number");
    return number;
}

Result<std::optional<bool>> parse_enabled(const std::string& text) {
    if (text.empty()) return std::nullopt;
    if (text == "true") return true;
    if (text == "false") return false;
    return fail(ErrorKind::Invalid, "--enabled: '" + text + "' is neither 'true' nor 'false'");
}

void set_text(const std::optional<std::string>& from, std::optional<std::string>& into) {
    if (!from) return;
    into = from->empty() ? std::nullopt : from;
}

}  // namespace

Result<DemoApplication> changed(DemoApplication application, const DemoChange& change) {
    application.id = change.id;
    if (change.app) application.app = *change.app;
    if (change.name) application.name = *change.name;
    if (change.hostname) application.hostname = *change.hostname;
    set_text(change.db_name, application.db_name);
    set_text(change.version, application.version);
    if (change.replicas) {
        const auto replicas = parse_replicas(*change.replicas);
        if (!replicas) return tl::unexpected(replicas.error());
        application.replicas = *replicas;
    }
    if (change.enabled) {
        const auto enabled = parse_enabled(*change.enabled);
        if (!enabled) return tl::unexpected(enabled.error());
        application.enabled = *enabled;
    }
    for (const std::string& variable : change.env) {
        const auto equals = variable.find('=');
        if (equals == 0) return fail(ErrorKind::Invalid, "--env: '" + variable + "' has no name");
        const std::string name = variable.substr(0, equals);
        if (equals == std::string::npos)
            application.env.erase(name);
        else
            application.env.insert_or_assign(name, variable.substr(equals + 1));
    }
    return application;
}

}  // namespace pmctl
