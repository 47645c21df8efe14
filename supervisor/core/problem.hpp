// One fault of a configuration and where it is. All faults are collected and shown at once.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

namespace pmctl {

// A place in a file of the configuration, as an index into the list of its files.
struct Position {
    std::uint32_t file = 0;    // admin_file: what the admin service says has no place
    std::uint32_t line = 0;    // from 1; 0: the file as a whole
    std::uint32_t column = 0;  // from 1, in characters

    auto operator<=>(const Position&) const = default;
};

struct Problem {
    std::string file;        // "": it has no place in a file
    std::uint32_t line = 0;  // 0: the file as a whole
    std::uint32_t column = 0;
    std::string message;  // what was found, what is allowed, the nearest valid name

    bool operator==(const Problem&) const = default;
};

// "file:line:column: message"
inline std::string format_problem(const Problem& problem) {
    std::string text = problem.file;
    if (problem.line != 0) text += ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
    return text + ": " + problem.message;
}

}  // namespace pmctl
