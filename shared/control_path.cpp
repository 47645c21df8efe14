#include "shared/control_path.hpp"

#include "shared/fnv.hpp"
#include "shared/path.hpp"
#include "shared/toml.hpp"

namespace pmctl {
namespace {

// `supervisor.runtime_dir` as written; "" where it is not set.
Result<std::string> runtime_dir_of(const std::string& path, const std::string& text) {
    try {
        const toml::table table = toml::parse(text);
        return table.at_path("supervisor.runtime_dir").value_or(std::string());
    } catch (const toml::parse_error& error) {
        const auto where = error.source().begin;
        return fail(ErrorKind::Invalid, path + ":" + std::to_string(where.line) + ":" +
                                            std::to_string(where.column) + ": " +
                                            std::string(error.description()));
    }
}

}  // namespace

std::string config_hash(std::string_view resolved_config_path) {
    std::uint64_t hash = fnv1a(resolved_config_path);
    std::string text(16, '0');
    for (auto digit = text.rbegin(); digit != text.rend(); ++digit, hash >>= 4)
        *digit = "0123456789abcdef"[hash & 0xf];
    return text;
}

std::string default_runtime_dir(std::uint32_t uid, std::string_view xdg_runtime_dir, std::string_view hash) {
    if (uid == 0) return "/run/pmctl";
    // The XDG specification: a relative path is to be ignored.
    if (xdg_runtime_dir.starts_with('/')) return std::string(xdg_runtime_dir) + "/pmctl/" + std::string(hash);
    return "/tmp/pmctl-" + std::to_string(uid) + "/" + std::string(hash);
}

std::string default_state_dir(std::uint32_t uid, std::string_view xdg_state_home, std::string_view home,
                              std::string_view hash) {
    if (uid == 0) return "/var/lib/pmctl";
    if (xdg_state_home.starts_with('/')) return std::string(xdg_state_home) + "/pmctl/" + std::string(hash);
    if (!home.starts_with('/')) return "";
    return std::string(home) + "/.local/state/pmctl/" + std::string(hash);
}

std::string socket_in(std::string_view runtime_dir) {
    return std::string(runtime_dir) + "/pmctld.sock";
}

Result<std::string> control_socket(const ControlSocketQuestion& question) {
    std::string socket;
    if (!question.socket_flag.empty()) {
        socket = question.socket_flag;
    } else if (!question.socket_env.empty()) {
        socket = question.socket_env;
    } else if (question.config_path.empty()) {
        return fail(ErrorKind::Invalid,
                    "no configuration and no socket: name one with --config FILE or --socket PATH");
    } else {
        std::string runtime_dir;
        if (question.config_text.find("runtime_dir") != std::string::npos) {
            auto named = runtime_dir_of(question.config_path, question.config_text);
            if (!named) return tl::unexpected(named.error());
            runtime_dir = std::move(*named);
            if (!runtime_dir.empty())
                runtime_dir = resolve_path(folder_of(question.config_path), runtime_dir);
        }
        if (runtime_dir.empty())
            runtime_dir = default_runtime_dir(question.uid, question.xdg_runtime_dir,
                                              config_hash(question.config_path));
        socket = socket_in(runtime_dir);
    }
    if (socket.size() > max_socket_path_bytes)
        return fail(ErrorKind::Invalid, "the socket's path '" + socket + "' has " +
                                            std::to_string(socket.size()) + " bytes; the system allows " +
                                            std::to_string(max_socket_path_bytes) +
                                            ": set a shorter [supervisor] runtime_dir");
    return socket;
}

}  // namespace pmctl
