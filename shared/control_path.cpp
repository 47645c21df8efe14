#include "shared/control_path.hpp"

#include <algorithm>

#include "shared/fnv.hpp"
#include "shared/path.hpp"
#include "shared/toml.hpp"

namespace pmctl {
namespace {

constexpr std::string_view key = "runtime_dir";
constexpr std::string_view blanks = " \t\r";

// A line without the blanks around it; "" for a comment.
std::string_view trimmed(std::string_view line) {
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    line.remove_suffix(line.size() - std::min(line.find_last_not_of(blanks) + 1, line.size()));
    return line.starts_with('#') ? std::string_view() : line;
}

// The first line that `is_wanted` of those that are no comments; "": none.
template <class Wanted>
std::string_view line_with(std::string_view text, Wanted is_wanted) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trimmed(text.substr(0, end));
        if (is_wanted(line)) return line;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return {};
}

bool may_name_it(std::string_view text) {
    return text.find(key) != std::string_view::npos && !line_with(text, [](std::string_view line) {
                                                            return line.find(key) != std::string_view::npos;
                                                        }).empty();
}

// From a text that is no TOML, by the line that says so in [supervisor]; "" where none does.
std::string runtime_dir_in_lines(std::string_view text) {
    bool is_in_table = false;
    const std::string_view line = line_with(text, [&](std::string_view each) {
        if (each.starts_with('[')) is_in_table = each.starts_with("[supervisor]");
        return (is_in_table && each.starts_with(key)) || each.starts_with("supervisor.runtime_dir");
    });
    const std::size_t begin = line.find_first_of("'\"");
    if (begin == std::string_view::npos) return "";
    const std::size_t end = line.find(line[begin], begin + 1);
    return end == std::string_view::npos ? "" : std::string(line.substr(begin + 1, end - begin - 1));
}

// `supervisor.runtime_dir` as written; "" where it is not set. Somebody may be writing the file just now, and
// the supervisor is to be reached all the same.
std::string runtime_dir_of(const std::string& text) {
    if (!may_name_it(text)) return "";
    try {
        const toml::table table = toml::parse(text);
        return table.at_path("supervisor.runtime_dir").value_or(std::string());
    } catch (const toml::parse_error&) {
        return runtime_dir_in_lines(text);
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
        std::string runtime_dir = runtime_dir_of(question.config_text);
        if (!runtime_dir.empty()) runtime_dir = resolve_path(folder_of(question.config_path), runtime_dir);
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
