// The options and words of each command, as CLI11 is told of them. What they have to look like is
// arguments.cpp's.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/command_list.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
}

namespace pmctl {

// What CLI11 leaves as text until it is checked in our words.
struct ArgumentTexts {
    std::string color;
    std::string timeout;
    std::string lines;
    std::vector<std::string> scale;
    bool only_stdout = false;
    bool only_stderr = false;
    bool help = false;
};

// Makes `app` the one of this command: what it reads goes to `into` and `texts`, which have to outlive it.
void prepare(CLI::App& app, const CommandEntry& entry, Arguments& into, ArgumentTexts& texts);

}  // namespace pmctl
