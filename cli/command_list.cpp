#include "cli/command_list.hpp"

#include <algorithm>

namespace pmctl {

const CommandEntry* find_command(std::string_view name) {
    const auto* found = std::find_if(command_list.begin(), command_list.end(),
                                     [&](const CommandEntry& each) { return each.name == name; });
    return found == command_list.end() ? nullptr : found;
}

std::string short_help() {
    std::string text =
        "pmctl keeps the processes of a pmctl.toml running on this machine.\n\n"
        "Usage: pmctl [--config FILE] [--socket PATH] [--json] [--color auto|always|never] COMMAND\n";
    std::string_view group;
    for (const CommandEntry& each : command_list) {
        if (each.group != group) text += "\n" + std::string(group = each.group) + ":\n";
        std::string left = "  " + std::string(each.name) + " " + std::string(each.synopsis);
        left.resize(std::max<std::size_t>(left.size() + 2, 33), ' ');
        text += left + std::string(each.summary) + "\n";
    }
    text +=
        "\nOptions, before or after the command:\n"
        "  --config FILE                  The configuration (or $PMCTL_CONFIG, ./pmctl.toml, "
        "/etc/pmctl/pmctl.toml)\n"
        "  --socket PATH                  The supervisor's socket (or $PMCTL_SOCKET)\n"
        "  --json                         Print JSON\n"
        "  --color WHEN                   auto, always or never\n"
        "  -h, --help                     Print help, of a command too\n"
        "  --version                      Print the version\n"
        "\nA TARGET is an instance (web), a replica (web:1), a group (@front), a glob ('web-*'), or --all.\n"
        "More: pmctl COMMAND --help, pmctl(1)\n";
    return text;
}

}  // namespace pmctl
