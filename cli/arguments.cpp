#include "cli/arguments.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>

#include "cli/arguments_options.hpp"
#include "cli/command_list.hpp"
#include "shared/nearest.hpp"

namespace pmctl {

namespace {

constexpr std::array<std::string_view, 3> global_with_value = {"--config", "--socket", "--color"};

std::string help_of(const CommandEntry& entry) {
    Arguments ignored;
    ArgumentTexts texts;
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
    names.reserve(command_list.size());
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

Result<void> check_texts(const ArgumentTexts& texts, Arguments& into) {
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
        case Command::Upgrade:
        case Command::Status:
        case Command::Reload:
        case Command::Plan:
        case Command::Logs:
        case Command::Events:
        case Command::Why:
        case Command::Scale:
        case Command::Ports:
        case Command::Routes:
        case Command::Admin:
        case Command::Report:
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
    ArgumentTexts texts;
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
        ArgumentTexts texts;
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
