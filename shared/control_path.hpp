// Where the control socket of a configuration lies: flag, environment, the configuration's runtime_dir, or
// the default. pmctl and pmctld both ask here, so that they meet. Nothing here touches the file system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/result.hpp"

namespace pmctl {

// sockaddr_un::sun_path holds 108 bytes, the closing NUL included: unix(7).
constexpr std::size_t max_socket_path_bytes = 107;

// 16 hex digits, FNV-1a 64 of the main file's absolute path with its symbolic links resolved: the same file
// has one supervisor, however it was named.
std::string config_hash(std::string_view resolved_config_path);

// "/run/pmctl" for root; else "XDG/pmctl/HASH", or "/tmp/pmctl-UID/HASH" where XDG_RUNTIME_DIR is unset ("").
std::string default_runtime_dir(std::uint32_t uid, std::string_view xdg_runtime_dir, std::string_view hash);
// "/var/lib/pmctl" for root; else "XDG/pmctl/HASH", or "HOME/.local/state/pmctl/HASH" where XDG_STATE_HOME is
// unset (""). A user without a home has none: "".
std::string default_state_dir(std::uint32_t uid, std::string_view xdg_state_home, std::string_view home,
                              std::string_view hash);

// "<runtime_dir>/pmctld.sock"
std::string socket_in(std::string_view runtime_dir);

struct ControlSocketQuestion {
    std::string socket_flag;  // --socket; "": not given
    std::string socket_env;   // $PMCTL_SOCKET; "": unset
    std::string config_path;  // as find_config gives it; "": none was found
    std::string config_text;  // its content
    std::uint32_t uid = 0;    // effective
    std::string xdg_runtime_dir;
};

// The socket's path, absolute unless the flag or the variable names a relative one: in that order the flag,
// the variable, `runtime_dir` of the text, the default. Without a full load: the rest of the text may be
// wrong, even no TOML, and is not parsed at all where "runtime_dir" stands in comments alone. Invalid: no
// configuration and no socket named, or a path over max_socket_path_bytes.
Result<std::string> control_socket(const ControlSocketQuestion& question);

}  // namespace pmctl
