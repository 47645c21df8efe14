// argv → Arguments. What a command then does is commands'; the only file of pmctl that knows CLI11 is
// arguments.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/protocol.hpp"
#include "shared/result.hpp"

namespace pmctl {

enum class Command {
    Up,
    Down,
    Upgrade,
    Status,
    Start,
    Stop,
    Restart,
    Reload,
    Plan,
    Logs,
    Events,
    Why,
    Wait,
    Scale,
    Signal,
    Reset,
    Ports,
    Routes,
    Admin,
    Report,
    Config,
    Validate,
    Init,
    Completion,
    Help,
    Version
};
enum class ColorChoice { Auto, Always, Never };

// Every option of every command; those of other commands keep their defaults.
struct Arguments {
    Command command = Command::Help;
    std::string config;  // --config; "": to be looked for
    std::string socket;  // --socket; "": $PMCTL_SOCKET or the configuration's
    bool json = false;
    ColorChoice color = ColorChoice::Auto;

    Targets targets;
    // NAME of why, HOSTNAME of routes, ID of config, FILE of validate, SHELL of completion, SIG of signal,
    // COMMAND of help
    std::string subject;
    std::map<std::string, std::uint32_t> replicas;  // scale
    std::string wait_for;                           // healthy, stopped, converged
    std::optional<Duration> timeout;                // absent: the default; zero: no limit
    std::optional<std::uint64_t> lines;             // -n
    std::string since;
    bool detach = false;
    bool quiet = false;
    bool watch = false;
    bool follow = false;
    bool timestamps = false;
    bool want_stdout = true;
    bool want_stderr = true;
    bool no_wait = false;
    bool rolling = false;
    bool dry_run = false;
    bool exit_code = false;
    bool now = false;
    bool show_secrets = false;
    bool force = false;

    std::string help;  // with Help: the text to print
};

// `words`: argv without argv[0]. Invalid: what is wrong, with the nearest word that is right.
Result<Arguments> parse_arguments(const std::vector<std::string>& words);

// For completion, and for the test that holds the man page to it.
struct CommandWords {
    std::string name;
    std::string summary;
    std::vector<std::pair<std::string, std::string>> options;  // "--follow" → what it does
    std::vector<std::string> flags;                            // those of `options` that take no value
    bool takes_targets = false;
};
std::vector<CommandWords> all_commands();

}  // namespace pmctl
