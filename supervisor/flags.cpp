#include "supervisor/flags.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>

namespace pmctl {

FlagsOutcome parse_flags(int argc, char** argv) {
    Flags flags;
    CLI::App app{
        "The supervisor of pmctl: starts the instances of a configuration and keeps them running.\n"
        "It stays in the foreground; `pmctl up -d` starts it in the background. See pmctld(8).",
        "pmctld"};
    app.set_version_flag("--version", std::string("pmctld ") + PMCTL_VERSION, "Print the version and exit");
    app.set_help_flag("-h,--help", "Print this help and exit");
    app.add_option("--config", flags.config,
                   "Configuration file (default: $PMCTL_CONFIG, ./pmctl.toml or in a "
                   "parent, /etc/pmctl/pmctl.toml)")
        ->type_name("FILE");
    std::string validate;
    CLI::Option* validates =
        app.add_option("--validate", validate, "Check a configuration, say what is wrong, and exit")
            ->expected(0, 1)
            ->type_name("[FILE]");
    std::string shown;
    CLI::Option* shows =
        app.add_option("--show-config", shown,
                       "Print the effective configuration, or one instance's, with the source of "
                       "each value, and exit")
            ->expected(0, 1)
            ->type_name("[ID]");
    app.add_flag("--show-secrets", flags.show_secrets, "With --show-config: do not mask what looks secret");
    app.add_flag("--json", flags.json, "With --validate or --show-config: as JSON");
    app.add_flag("--check-upgrade", flags.check_upgrade,
                 "Say whether this program could go on with what is configured and stored, and exit");
    app.add_option("--resume-fd", flags.resume_fd)->group("");  // not for people
    app.add_option("--ready-fd", flags.ready_fd,
                   "Write \"ready\" to this descriptor when everything was started")
        ->type_name("FD");
    app.add_option("--log-file", flags.log_file,
                   "Append the supervisor's own log to this file, not to standard error; rotated at 10 MiB")
        ->type_name("FILE");
    app.add_option("--only", flags.only,
                   "Start only what this target means, and what it depends on, by itself (repeatable)")
        ->type_name("TARGET");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        // Help and version come this way too, with status 0.
        const bool asked = error.get_exit_code() == 0;
        if (asked) {
            app.exit(error, std::cout, std::cerr);
            return {std::nullopt, 0};
        }
        std::cerr << "pmctld: " << error.what() << " (see pmctld --help)\n";
        return {std::nullopt, exit_status(ErrorKind::Invalid)};
    }
    if (validates->count() > 0) flags.validate = validate;
    if (shows->count() > 0) flags.show_config = shown;
    return {flags, 0};
}

}  // namespace pmctl
