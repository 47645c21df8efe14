// What one start of one process is given: its final environment, and everything in which `${NAME}` is
// expanded from that. HOME, USER, LOGNAME and SHELL of another `user` come from passwd, and so from the
// spawn.
//
// The environment, later over earlier:
//   the supervisor's own, without what is the supervisor's alone (child_environment)
//   PORT (not with port = "none"), HOST, INSTANCE_ID, APP_ID, REPLICA, VERSION, DB_NAME, where there is one
//   INTERNAL_SECRET with pass_internal_secret
//   env_file, literally
//   env, expanded: a value may refer to any other name; to its own name it sees the value of the layers below
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/result.hpp"
#include "supervisor/core/config.hpp"

namespace pmctl {

struct Launch {
    std::vector<std::string> argv;
    std::vector<std::string> env;  // "NAME=value": what hides, or is beside, that of `base`
    std::string working_dir;       // absolute
    std::string health_path;       // with kind = "http"
    std::vector<std::string> health_command;
};

struct LaunchFault {
    std::string key;  // "command", "env.KEY"
    std::string message;
};

// `base`: child_environment's. A fault is a name that is not set or refers to itself in a circle ("A → B →
// A"), or a value that is impossible once it is expanded; all of them, each once.
tl::expected<Launch, std::vector<LaunchFault>> try_launch(const InstanceSpec& spec, std::uint32_t replica,
                                                          std::uint16_t port, const Environment& base,
                                                          const std::optional<std::string>& internal_secret);
// The same with the first fault as an Error: Invalid, naming the key.
Result<Launch> launch(const InstanceSpec& spec, std::uint32_t replica, std::uint16_t port,
                      const Environment& base, const std::optional<std::string>& internal_secret);

// "NAME=value", once for all starts: tens of texts that are copied for each are a twentieth of a start.
std::shared_ptr<const std::vector<std::string>> environment_list(const Environment& environment);

// What children inherit of the supervisor's own environment: not PMCTL_*, not what systemd says to the
// supervisor (sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3)), not the admin secret, and none of the
// names that launch() gives a meaning, lest a supervisor that another one started hands its own PORT on.
Environment child_environment(const Environment& own, const std::optional<AdminSettings>& admin);

}  // namespace pmctl
