#include "cli/completion.hpp"

#include <algorithm>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"

namespace pmctl {

namespace {

std::string joined(const std::vector<std::pair<std::string, std::string>>& options) {
    std::string text;
    for (const auto& [name, summary] : options) text += (text.empty() ? "" : " ") + name;
    return text;
}

bool takes_value(const CommandWords& words, const std::string& option) {
    return std::find(words.flags.begin(), words.flags.end(), option) == words.flags.end();
}

std::string fixed_words(const std::string& command) {
    if (command == "completion") return "bash zsh fish";
    if (command == "signal") return "HUP INT TERM USR1 USR2 KILL";
    return "";
}

std::string bash() {
    std::string names;
    std::string options;
    std::string words;
    std::string targets;
    for (const CommandWords& each : all_commands()) {
        names += (names.empty() ? "" : " ") + each.name;
        options += "        " + each.name + ") options='" + joined(each.options) + "' ;;\n";
        if (each.takes_targets) targets += (targets.empty() ? "" : "|") + each.name;
        const std::string fixed = each.name == "help" ? "$commands" : fixed_words(each.name);
        if (!fixed.empty()) words += "        " + each.name + ") words=\"" + fixed + "\" ;;\n";
    }
    return R"sh(# bash completion for pmctl
_pmctl() {
    local commands=')sh" +
           names + R"sh('
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local command='' options='--config --socket --json --color --help --version' words='' i
    local -a where=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --config|--socket) where+=("${COMP_WORDS[i]}" "${COMP_WORDS[i+1]}"); ((i++)) ;;
        --color) ((i++)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    COMPREPLY=()
    case $previous in
    --config|--socket) compopt -o default 2>/dev/null; return ;;
    --color) COMPREPLY=($(compgen -W 'auto always never' -- "$current")); return ;;
    --for) COMPREPLY=($(compgen -W 'healthy stopped converged' -- "$current")); return ;;
    --timeout|--since|-n|--lines) return ;;
    esac
    case $command in
        '') words=$commands ;;
)sh" + options +
           R"sh(    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$current"))
        return
    fi
    case $command in
)sh" + words +
           R"sh(        validate) compopt -o default 2>/dev/null; return ;;
    esac
    case $command in
        )sh" +
           targets + R"sh() words+=" $(pmctl "${where[@]}" status -q 2>/dev/null)" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    # A replica's name has a colon, where readline breaks words.
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        local prefix=${current%"${current##*:}"}
        COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    fi
}
complete -F _pmctl pmctl
)sh";
}

// In single quotes, brackets and colons escaped for _arguments.
std::string zsh_text(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '\'') {
            out += "'\\''";
            continue;
        }
        if (c == '[' || c == ']' || c == ':') out += '\\';
        out += c;
    }
    return out;
}

std::string zsh_value(const std::string& option) {
    if (option == "--color") return ":when:(auto always never)";
    if (option == "--for") return ":what:(healthy stopped converged)";
    if (option == "--config" || option == "--socket") return ":file:_files";
    return ":value: ";
}

std::string zsh() {
    std::string list;
    std::string cases;
    for (const CommandWords& each : all_commands()) {
        list += "        '" + each.name + ":" + zsh_text(each.summary) + "'\n";
        cases += "    " + each.name + ")\n        _arguments -s -S";
        for (const auto& [option, summary] : each.options) {
            cases += " \\\n            '" + option + "[" + zsh_text(summary) + "]" +
                     (takes_value(each, option) ? zsh_value(option) : "") + "'";
        }
        const std::string fixed = fixed_words(each.name);
        if (!fixed.empty()) cases += " \\\n            '1:word:(" + fixed + ")'";
        if (each.name == "help") cases += " \\\n            '1:command:_pmctl_commands'";
        if (each.name == "validate") cases += " \\\n            '1:file:_files'";
        if (each.takes_targets) cases += " \\\n            '*:target:_pmctl_targets'";
        cases += " ;;\n";
    }
    return "#compdef pmctl\n# zsh completion for pmctl\n\n_pmctl_commands() {\n    local -a commands=(\n" +
           list +
           R"sh(    )
    _describe command commands
}

_pmctl_targets() {
    local -a targets=(${(f)"$(pmctl $_pmctl_where status -q 2>/dev/null)"})
    compadd -a targets
}

_pmctl() {
    local curcontext=$curcontext state line
    local -A opt_args
    _arguments -C \
        '--config[Configuration]:file:_files' \
        '--socket[Control socket]:file:_files' \
        '--json[Print JSON]' \
        '--color[Colours]:when:(auto always never)' \
        '1:command:_pmctl_commands' \
        '*::argument:->argument'
    [[ $state == argument ]] || return
    local -a _pmctl_where=()
    [[ -n ${opt_args[--config]} ]] && _pmctl_where+=(--config ${opt_args[--config]})
    [[ -n ${opt_args[--socket]} ]] && _pmctl_where+=(--socket ${opt_args[--socket]})
    case $words[1] in
)sh" + cases +
           R"sh(    esac
}

_pmctl "$@"
)sh";
}

std::string fish_text(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

std::string fish() {
    std::string out = R"sh(# fish completion for pmctl
function __pmctl_targets
    pmctl status -q 2>/dev/null
end
complete -c pmctl -f
complete -c pmctl -l config -r -F -d 'Configuration'
complete -c pmctl -l socket -r -F -d 'Control socket'
complete -c pmctl -l color -x -a 'auto always never' -d 'Colours'
complete -c pmctl -l json -d 'Print JSON'
)sh";
    for (const CommandWords& each : all_commands()) {
        const std::string seen = " -n '__fish_seen_subcommand_from " + each.name + "'";
        out += "complete -c pmctl -n __fish_use_subcommand -a " + each.name + " -d '" +
               fish_text(each.summary) + "'\n";
        if (each.takes_targets) out += "complete -c pmctl" + seen + " -a '(__pmctl_targets)'\n";
        if (each.name == "validate") out += "complete -c pmctl" + seen + " -F\n";
        if (const std::string fixed = fixed_words(each.name); !fixed.empty())
            out += "complete -c pmctl" + seen + " -a '" + fixed + "'\n";
        for (const auto& [option, summary] : each.options) {
            if (option == "--config" || option == "--socket" || option == "--color" || option == "--json")
                continue;
            out += "complete -c pmctl" + seen;
            out += option.starts_with("--") ? " -l " + option.substr(2) : " -s " + option.substr(1);
            if (option == "--for") out += " -a 'healthy stopped converged'";
            if (takes_value(each, option)) out += " -x";
            out += " -d '" + fish_text(summary) + "'\n";
        }
    }
    return out;
}

}  // namespace

std::string completion_script(const std::string& shell) {
    if (shell == "bash") return bash();
    return shell == "zsh" ? zsh() : fish();
}

Result<int> run_completion(Session& session) {
    session.print(completion_script(session.args().subject));
    return 0;
}

}  // namespace pmctl
