#include "cli/arguments_options.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace pmctl {

namespace {

void add_globals(CLI::App& app, Arguments& into, ArgumentTexts& texts) {
    app.set_help_flag();
    app.add_flag("-h,--help", texts.help, "Print this help");
    app.add_option("--config", into.config,
                   "Configuration (default: $PMCTL_CONFIG, pmctl.toml here or in a parent folder, "
                   "/etc/pmctl/pmctl.toml)")
        ->type_name("FILE")
        ->group("Common options");
    app.add_option("--socket", into.socket,
                   "Control socket (default: $PMCTL_SOCKET, or in the runtime_dir of the configuration)")
        ->type_name("PATH")
        ->group("Common options");
    app.add_flag("--json", into.json, "Print JSON")->group("Common options");
    app.add_option("--color", texts.color, "auto, always or never (default: auto)")
        ->type_name("WHEN")
        ->group("Common options");
}

void add_targets(CLI::App& app, Arguments& into) {
    app.add_option("TARGET", into.targets.names, "Instance, replica (web:1), @group or 'glob*'");
    app.add_flag("--all", into.targets.all, "All instances");
}

void add_waiting(CLI::App& app, Arguments& into, ArgumentTexts& texts) {
    app.add_flag("--no-wait", into.no_wait, "Do not wait for the outcome");
    app.add_option("--timeout", texts.timeout, "Longest wait, 0 for no limit (default: 90s)")
        ->type_name("TIME");
}

void add_options(CLI::App& app, Command command, Arguments& into, ArgumentTexts& texts) {
    switch (command) {
        case Command::Up:
            add_targets(app, into);
            app.add_flag("-d,--detach", into.detach, "Go to the background once all are healthy");
            app.add_option("--timeout", texts.timeout, "With -d: longest wait, 0 for no limit (default: 90s)")
                ->type_name("TIME");
            return;
        case Command::Down:
            app.add_flag("--now", into.now, "KILL at once, no graceful stop");
            app.add_option("--timeout", texts.timeout, "Longest wait, 0 for no limit (default: 90s)")
                ->type_name("TIME");
            return;
        case Command::Upgrade:
            app.add_option("--timeout", texts.timeout, "Longest wait (default: 90s)")->type_name("TIME");
            return;
        case Command::Status:
            add_targets(app, into);
            app.add_flag("-q,--quiet", into.quiet, "Names only");
            app.add_flag("-w,--watch", into.watch, "Show it again whenever it changes");
            return;
        case Command::Restart:
            app.add_flag("--rolling", into.rolling,
                         "Served all the time: the new process is healthy before the old one goes");
            add_targets(app, into);
            add_waiting(app, into, texts);
            return;
        case Command::Start:
        case Command::Stop:
            add_targets(app, into);
            add_waiting(app, into, texts);
            return;
        case Command::Reload:
            app.add_flag("--dry-run", into.dry_run, "Show what would change and change nothing");
            add_waiting(app, into, texts);
            return;
        case Command::Plan:
            app.add_flag("--exit-code", into.exit_code, "Exit with 3 when something would change");
            return;
        case Command::Logs:
            add_targets(app, into);
            app.add_flag("-f,--follow", into.follow, "Go on with what is written from now on");
            app.add_option("-n,--lines", texts.lines, "Only the last N lines of each (default: all)")
                ->type_name("N");
            app.add_option("--since", into.since,
                           "Only what is newer: 10m (ago), 2026-11-22T20:10:00Z, \"2026-11-22 20:10\"")
                ->type_name("TIME");
            app.add_flag("--stdout", texts.only_stdout, "Only standard output");
            app.add_flag("--stderr", texts.only_stderr, "Only standard error");
            app.add_flag("-t,--timestamps", into.timestamps, "Begin each line with its time");
            return;
        case Command::Report:
            add_targets(app, into);
            app.add_option(
                   "--since", into.since,
                   "From when on: 7d (ago), 2026-11-22T20:10:00Z, \"2026-11-22 20:10\" (default: 24h)")
                ->type_name("TIME");
            return;
        case Command::Events:
            add_targets(app, into);
            app.add_flag("-f,--follow", into.follow, "Go on with what happens from now on");
            app.add_option("-n,--lines", texts.lines, "Only the last N (default: 100)")->type_name("N");
            return;
        case Command::Why: app.add_option("NAME", into.subject, "Instance or replica")->required(); return;
        case Command::Wait:
            add_targets(app, into);
            app.add_option("--for", into.wait_for, "healthy, stopped or converged")
                ->type_name("WHAT")
                ->required();
            app.add_option("--timeout", texts.timeout, "Longest wait, 0 for no limit (default: 90s)")
                ->type_name("TIME");
            return;
        case Command::Scale:
            app.add_option("SCALE", texts.scale, "ID=N: an instance and its number of replicas")->required();
            add_waiting(app, into, texts);
            return;
        case Command::Signal:
            app.add_option("SIG", into.subject, "HUP, SIGHUP or 1")->required();
            add_targets(app, into);
            return;
        case Command::Reset: add_targets(app, into); return;
        case Command::Routes:
            app.add_option("HOSTNAME", into.subject, "As a client asks for it (default: all)");
            app.add_flag("-w,--watch", into.watch, "Show it again whenever it changes");
            return;
        case Command::Config:
            app.add_option("ID", into.subject, "Instance (default: the whole configuration)");
            app.add_flag("--show-secrets", into.show_secrets, "Do not mask what looks secret");
            return;
        case Command::Validate:
            app.add_option("FILE", into.subject, "Configuration (default: as for --config)");
            return;
        case Command::Init: app.add_flag("--force", into.force, "Replace a pmctl.toml that is there"); return;
        case Command::Completion:
            app.add_option("SHELL", into.subject, "bash, zsh or fish")->required();
            return;
        case Command::Help: app.add_option("COMMAND", into.subject, "Command to explain"); return;
        case Command::Ports:
        case Command::Admin:
        case Command::Version: return;
    }
}

std::string_view more_help(Command command) {
    switch (command) {
        case Command::Status:
            return "One TARGET with one replica is shown in full.\n"
                   "Exit status: 0 when every instance named is Running, 3 when one is not. Without TARGET,\n"
                   "those that are meant to be stopped and completed jobs do not count; --all names every "
                   "one.";
        case Command::Up:
            return "With TARGET only these and what they depend on are started, also where they have\n"
                   "autostart = false or were stopped earlier; exit status 4 for one that does not exist.\n"
                   "Ctrl-C stops every instance gracefully, a second one at once; the exit status is then "
                   "0.\n"
                   "Where a supervisor runs already, the configuration is applied and Ctrl-C only detaches.";
        case Command::Down: return "Exit status 5 when no supervisor runs.";
        case Command::Upgrade:
            return "The new program checks configuration and store first. Exit status 1 when it refuses,\n"
                   "2 when the configuration is invalid; in both cases nothing has changed.";
        case Command::Admin:
            return "Exit status: 0 when the admin service answers, 3 when it does not, 1 where none is "
                   "configured.";
        case Command::Report:
            return "Time in which no supervisor ran counts neither as up nor as down, nor does what an "
                   "operator\n"
                   "stopped. Exit status: 0, also where an aim is missed.";
        case Command::Routes: return "Exit status: 0, with HOSTNAME 3 when it has no healthy run, 4 unknown.";
        case Command::Wait: return "Exit status: 0 reached, 3 no longer possible, 6 timed out.";
        case Command::Plan: return "The same as: pmctl reload --dry-run";
        case Command::Reload:
            return "Exit status 1 when something does not run as configured in the end, also because an\n"
                   "earlier update has failed; it is named then.";
        case Command::Signal:
            return "It goes to the process group of each. Of --all, a group or a glob those without a\n"
                   "process are passed over; where one that is named does not run, nothing is sent.";
        case Command::Config:
            return "Asks the supervisor that runs, so edits that were not reloaded do not show; where none\n"
                   "runs the files are read.";
        case Command::Start:
        case Command::Stop:
        case Command::Restart:
        case Command::Logs:
        case Command::Events:
        case Command::Why:
        case Command::Scale:
        case Command::Reset:
        case Command::Ports:
        case Command::Validate:
        case Command::Init:
        case Command::Completion:
        case Command::Help:
        case Command::Version: return "";
    }
    return "";
}

}  // namespace

void prepare(CLI::App& app, const CommandEntry& entry, Arguments& into, ArgumentTexts& texts) {
    into.command = entry.command;
    app.allow_extras();
    app.get_formatter()->column_width(34);
    app.footer(std::string(more_help(entry.command)));
    add_options(app, entry.command, into, texts);
    add_globals(app, into, texts);
}

}  // namespace pmctl
