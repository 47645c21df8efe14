#include "cli/arguments.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>

#include "cli/command_list.hpp"
#include "shared/nearest.hpp"

namespace pmctl {

namespace {

constexpr std::array<std::string_view, 3> global_with_value = {"--config", "--socket", "--color"};

// What CLI11 leaves as text until it is checked in our words.
struct Texts {
    std::string color;
    std::string timeout;
    std::string lines;
    std::vector<std::string> scale;
    bool only_stdout = false;
    bool only_stderr = false;
    bool help = false;
};

void add_globals(CLI::App& app, Arguments& into, Texts& texts) {
    app.set_help_flag();
    app.add_flag("-h,--help", texts.help, "Print this help");
    app.add_option("--config", into.config,
                   "Configuration (default: $PMCTL_CONFIG, pmctl.toml here or in a parent folder, "
                   "/etc/pmctl/pmctl.toml)")
        ->type_name("FILE")
        ->group("Common options");
    app.add_option("--socket", into.socket,
                   "Control socket (default: $PMCTL_SOCKET, or as the configuration says)")
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

void add_waiting(CLI::App& app, Arguments& into, Texts& texts) {
    app.add_flag("--no-wait", into.no_wait, "Do not wait for the outcome");
    app.add_option("--timeout", texts.timeout, "Longest wait, 0 for no limit (default: 90s)")
        ->type_name("TIME");
}

void add_options(CLI::App& app, Command command, Arguments& into, Texts& texts) {
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
        case Command::Status:
            add_targets(app, into);
            app.add_flag("-q,--quiet", into.quiet, "Names only");
            app.add_flag("-w,--watch", into.watch, "Show it again whenever it changes");
            return;
        case Command::Start:
        case Command::Stop:
            add_targets(app, into);
            add_waiting(app, into, texts);
            return;
        case Command::Restart:
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
            app.add_option("ID=N", texts.scale, "Instance and its number of replicas")->required();
            add_waiting(app, into, texts);
            return;
        case Command::Signal:
            app.add_option("SIG", into.subject, "HUP, SIGHUP or 1")->required();
            add_targets(app, into);
            return;
        case Command::Reset: add_targets(app, into); return;
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
        case Command::Version: return;
    }
}

std::string_view more_help(Command command) {
    switch (command) {
        case Command::Status:
            return "One TARGET with one replica is shown in full.\n"
                   "Exit status: 0 when every instance named is Running, 3 when one is not. Without TARGET\n"
                   "those that are meant to be stopped do not count.";
        case Command::Up:
            return "Ctrl-C stops every instance gracefully, a second one at once; the exit status is then "
                   "0.\n"
                   "Where a supervisor runs already, the configuration is applied and Ctrl-C only detaches.";
        case Command::Down: return "Exit status 5 when no supervisor runs.";
        case Command::Wait: return "Exit status: 0 as wished, 3 it can no longer be, 6 time is up.";
        case Command::Plan: return "The same as: pmctl reload --dry-run";
        case Command::Start:
        case Command::Stop:
        case Command::Restart:
        case Command::Reload:
        case Command::Logs:
        case Command::Events:
        case Command::Why:
        case Command::Scale:
        case Command::Signal:
        case Command::Reset:
        case Command::Ports:
        case Command::Config:
        case Command::Validate:
        case Command::Init:
        case Command::Completion:
        case Command::Help:
        case Command::Version: return "";
    }
    return "";
}

void prepare(CLI::App& app, const CommandEntry& entry, Arguments& into, Texts& texts) {
    into.command = entry.command;
    app.allow_extras();
    app.get_formatter()->column_width(34);
    app.footer(std::string(more_help(entry.command)));
    add_options(app, entry.command, into, texts);
    add_globals(app, into, texts);
}

std::string help_of(const CommandEntry& entry) {
    Arguments ignored;
    Texts texts;
    CLI::App app(std::string(entry.summary) + ".", "pmctl " + std::string(entry.name));
    prepare(app, entry, ignored, texts);
    return app.help();
}

std::string suggestion(const std::string& word, const std::vector<std::string>& candidates) {
    const std::string near = nearest(word, candidates);
    return near.empty() ? "" : ", did you mean '" + near + "'?";
}

tl::unexpected<Error> unknown_command(const std::string& word) {
    std::vector<std::string> names;
    for (const CommandEntry& each : command_list) names.emplace_back(each.name);
    const std::string near = suggestion(word, names);
    return fail(ErrorKind::Invalid,
                "unknown command '" + word + "'" + (near.empty() ? "; pmctl help lists them" : near));
}

std::vector<std::string> options_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* each : app.get_options()) {
        for (const std::string& name : each->get_lnames()) names.push_back("--" + name);
        for (const std::string& name : each->get_snames()) names.push_back("-" + name);
    }
    return names;
}

tl::unexpected<Error> unexpected_word(const CLI::App& app, const std::string& word) {
    if (!word.starts_with('-'))
        return fail(ErrorKind::Invalid,
                    "unexpected argument '" + word + "' (see " + app.get_name() + " --help)");
    const std::string option = word.substr(0, word.find('='));
    const std::string near = suggestion(option, options_of(app));
    return fail(ErrorKind::Invalid, "unknown option '" + option + "' of '" + app.get_name() + "'" +
                                        (near.empty() ? "; see " + app.get_name() + " --help" : near));
}

// The index of the command's word: the first that is no option and no option's value.
std::size_t command_at(const std::vector<std::string>& words) {
    std::size_t at = 0;
    while (at < words.size() && words[at].starts_with('-')) {
        const bool takes_next = std::find(global_with_value.begin(), global_with_value.end(), words[at]) !=
                                global_with_value.end();
        at += takes_next ? 2 : 1;
    }
    return std::min(at, words.size());
}

template <class T>
bool read_number(std::string_view text, T& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

Result<void> check_scale(const std::vector<std::string>& words, Arguments& into) {
    for (const std::string& word : words) {
        const auto equals = word.rfind('=');
        std::uint32_t count = 0;
        if (equals == std::string::npos || equals == 0 || !read_number(word.substr(equals + 1), count))
            return fail(ErrorKind::Invalid, "'" + word + "' is not of the form ID=N");
        into.replicas[word.substr(0, equals)] = count;
    }
    return {};
}

Result<void> check_texts(const Texts& texts, Arguments& into) {
    if (texts.color == "always") {
        into.color = ColorChoice::Always;
    } else if (texts.color == "never") {
        into.color = ColorChoice::Never;
    } else if (!texts.color.empty() && texts.color != "auto") {
        return fail(ErrorKind::Invalid, "--color '" + texts.color + "': say auto, always or never");
    }
    if (!texts.timeout.empty()) {
        const auto timeout = parse_duration(texts.timeout);
        if (!timeout) return fail(ErrorKind::Invalid, "--timeout: " + timeout.error().message);
        into.timeout = *timeout;
    }
    if (!texts.lines.empty()) {
        if (!read_number(texts.lines, into.lines.emplace()))
            return fail(ErrorKind::Invalid, "-n '" + texts.lines + "': a number of lines is meant");
    }
    into.want_stdout = texts.only_stdout || !texts.only_stderr;
    into.want_stderr = texts.only_stderr || !texts.only_stdout;
    return check_scale(texts.scale, into);
}

Result<void> check_together(const Arguments& given) {
    const bool none = given.targets.names.empty() && !given.targets.all;
    switch (given.command) {
        case Command::Start:
        case Command::Stop:
        case Command::Restart:
        case Command::Reset:
        case Command::Signal:
            if (none) return fail(ErrorKind::Invalid, "name at least one instance, or say --all");
            break;
        case Command::Wait:
            if (given.wait_for != "healthy" && given.wait_for != "stopped" && given.wait_for != "converged")
                return fail(ErrorKind::Invalid,
                            "--for '" + given.wait_for + "': say healthy, stopped or converged");
            break;
        case Command::Completion:
            if (given.subject != "bash" && given.subject != "zsh" && given.subject != "fish")
                return fail(ErrorKind::Invalid,
                            "completion for '" + given.subject + "': say bash, zsh or fish");
            break;
        case Command::Up:
        case Command::Down:
        case Command::Status:
        case Command::Reload:
        case Command::Plan:
        case Command::Logs:
        case Command::Events:
        case Command::Why:
        case Command::Scale:
        case Command::Ports:
        case Command::Config:
        case Command::Validate:
        case Command::Init:
        case Command::Help:
        case Command::Version: break;
    }
    if (given.targets.all && !given.targets.names.empty())
        return fail(ErrorKind::Invalid, "name instances, or say --all: not both");
    return {};
}

Result<Arguments> help(std::string text) {
    Arguments found;
    found.command = Command::Help;
    found.help = std::move(text);
    return found;
}

Result<Arguments> help_on(const std::string& name) {
    if (name.empty()) return help(short_help());
    const CommandEntry* entry = find_command(name);
    if (entry == nullptr) return unknown_command(name);
    return help(help_of(*entry));
}

}  // namespace

Result<Arguments> parse_arguments(const std::vector<std::string>& words) {
    const std::size_t at = command_at(words);
    const bool no_command = at == words.size();
    if (no_command && std::find(words.begin(), words.end(), "--version") != words.end()) {
        Arguments found;
        found.command = Command::Version;
        return found;
    }
    const CommandEntry* entry = no_command ? find_command("help") : find_command(words[at]);
    if (entry == nullptr) return unknown_command(words[at]);

    // One application for the one command, with the global options among its own: so they may stand before
    // and after it, and nothing is built for the others.
    Arguments found;
    Texts texts;
    CLI::App app(std::string(entry->summary) + ".",
                 no_command ? "pmctl" : "pmctl " + std::string(entry->name));
    prepare(app, *entry, found, texts);
    std::vector<std::string> rest(words.rbegin(), words.rend());  // CLI11 takes them from the back
    if (!no_command) rest.erase(rest.end() - static_cast<std::ptrdiff_t>(at) - 1);
    try {
        app.parse(rest);
    } catch (const CLI::ParseError& error) {
        if (texts.help || std::find(words.begin(), words.end(), "--help") != words.end())
            return help_on(no_command ? "" : std::string(entry->name));
        return fail(ErrorKind::Invalid, std::string(error.what()) + " (see " + app.get_name() + " --help)");
    }
    if (texts.help) return help_on(no_command ? "" : std::string(entry->name));
    for (const std::string& extra : app.remaining()) {
        if (extra != "--") return unexpected_word(app, extra);  // CLI11 counts the mark itself, too
    }
    if (auto right = check_texts(texts, found); !right) return tl::unexpected(right.error());
    if (found.command == Command::Help) return help_on(found.subject);
    if (auto right = check_together(found); !right) return tl::unexpected(right.error());
    return found;
}

std::vector<CommandWords> all_commands() {
    std::vector<CommandWords> all;
    for (const CommandEntry& entry : command_list) {
        Arguments ignored;
        Texts texts;
        CLI::App app("", "pmctl " + std::string(entry.name));
        prepare(app, entry, ignored, texts);
        CommandWords words{std::string(entry.name), std::string(entry.summary), {}, {}, false};
        for (const CLI::Option* each : app.get_options()) {
            if (each->get_positional()) {
                words.takes_targets = words.takes_targets || each->get_name(true) == "TARGET" ||
                                      entry.command == Command::Why || entry.command == Command::Config;
            }
            std::vector<std::string> names;
            for (const std::string& name : each->get_lnames()) names.push_back("--" + name);
            for (const std::string& name : each->get_snames()) names.push_back("-" + name);
            for (const std::string& name : names) {
                words.options.emplace_back(name, each->get_description());
                if (each->get_expected_max() == 0) words.flags.push_back(name);
            }
        }
        all.push_back(std::move(words));
    }
    return all;
}

}  // namespace pmctl
