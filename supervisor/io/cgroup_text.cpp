// The file formats of cgroup v2 and mountinfo: the pure parts of cgroup.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "supervisor/io/cgroup.hpp"

namespace pmctl {

namespace {

constexpr std::uint64_t period_us = 100'000;  // the kernel's default
constexpr std::uint64_t least_quota_us = 1'000;

std::string_view take_line(std::string_view& text) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

std::string_view take_word(std::string_view& text) {
    const auto start = std::min(text.find_first_not_of(' '), text.size());
    text.remove_prefix(start);
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    return word;
}

// mountinfo writes space, tab, newline and backslash as "\040" and so on.
std::string unescape(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8).ptr == text.data() + i + 4) {
            result += static_cast<char>(value);
            i += 3;
        } else {
            result += text[i];
        }
    }
    return result;
}

// The part of `path` under `root`, with its slash; nothing where it is not under it.
std::optional<std::string> below(const std::string& root, const std::string& path) {
    if (root == "/") return path == "/" ? "" : path;
    if (path == root) return "";
    if (path.starts_with(root + "/")) return path.substr(root.size());
    return std::nullopt;
}

}  // namespace

std::optional<std::string> cgroup_folder(std::string_view own, std::string_view mounts) {
    std::optional<std::string> path;
    while (!own.empty()) {
        const auto line = take_line(own);
        if (line.starts_with("0::/")) path = line.substr(3);
    }
    if (!path) return std::nullopt;
    while (!mounts.empty()) {
        // "36 35 98:0 /root /mount/point options optional... - type source options"
        auto line = take_line(mounts);
        const auto dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        auto after = line.substr(dash + 3);
        if (take_word(after) != "cgroup2") continue;
        for (int i = 0; i < 3; ++i) take_word(line);
        const std::string root = unescape(take_word(line));
        const std::string point = unescape(take_word(line));
        if (const auto rest = below(root, *path)) return point + *rest;
    }
    return std::nullopt;
}

CgroupControllers parse_controllers(std::string_view text) {
    CgroupControllers found;
    auto line = take_line(text);
    for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
        found.memory = found.memory || word == "memory";
        found.cpu = found.cpu || word == "cpu";
        found.pids = found.pids || word == "pids";
    }
    return found;
}

std::string cpu_max(double cores) {
    const auto quota = static_cast<std::uint64_t>(std::llround(cores * static_cast<double>(period_us)));
    return fmt::format("{} {}", std::max(quota, least_quota_us), period_us);
}

std::uint64_t keyed_value(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        auto line = take_line(text);
        if (take_word(line) != key) continue;
        const auto word = take_word(line);
        std::uint64_t value = 0;
        std::from_chars(word.data(), word.data() + word.size(), value);
        return value;
    }
    return 0;
}

}  // namespace pmctl
