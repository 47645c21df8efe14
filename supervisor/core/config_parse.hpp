// The text of one TOML file → its layer, each field with its place, or all that is wrong with it. What needs
// other files or the whole is config_merge's and config_check's. The only user of toml++ in core/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/core/config_layers.hpp"
#include "supervisor/core/problem.hpp"

namespace pmctl {

enum class FileRole {
    Main,
    Included,  // may have no [supervisor] and no include: the main file alone says how the whole is run
};

struct ParsedFile {
    Layer layer;
    std::vector<Problem> problems;
    bool complete = true;  // false: nothing of the text is known, since it could not be parsed at all
};

// `path`: absolute; relative paths in the text resolve against its folder. `file`: the index that positions
// get. A syntax error ends the file's parsing and is its one problem; everything else is found at once.
ParsedFile parse_config(std::string_view text, const std::string& path, std::uint32_t file, FileRole role);

}  // namespace pmctl
