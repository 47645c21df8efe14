#include "cli/log_output.hpp"

#include <algorithm>
#include <array>

#include "cli/output.hpp"
#include "shared/json_text.hpp"

namespace pmctl {

namespace {

constexpr std::array<Color, 5> colors = {Color::Cyan, Color::Yellow, Color::Green, Color::Magenta,
                                         Color::Blue};
// A line without an end is shown in pieces of this length: the child's lack of a newline is not to fill our
// memory.
constexpr std::size_t longest_line = std::size_t{64} << 20;

std::string json_of(const LogLine& line) {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    out.key("name");
    out.string(line.name);
    out.key("time");
    out.string(format_rfc3339(line.at, 9));
    out.key("stream");
    out.string(line.is_stderr ? "stderr" : "stdout");
    out.key("text");
    out.string(line.text);
    out.end_object();
    return text;
}

}  // namespace

void LogOutput::expect(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        order_.try_emplace(name, order_.size());
        width_ = std::max(width_, display_width(name));
    }
}

std::string LogOutput::prefix(const std::string& name) {
    const std::size_t number = order_.try_emplace(name, order_.size()).first->second;
    const std::size_t width = display_width(name);
    width_ = std::max(width_, width);
    return paint(name + std::string(width_ - width, ' ') + " | ", colors.at(number % colors.size()),
                 look_.style);
}

void LogOutput::append(std::string& out, const LogLine& line) {
    if (look_.json) {
        out += json_of(line);
    } else {
        if (look_.prefix) out += prefix(line.name);
        if (look_.timestamps) out += paint(date_text(line.at) + " ", Color::Dim, look_.style);
        out += line.text;
    }
    out += '\n';
}

std::string LogOutput::text(const std::vector<LogLine>& lines) {
    std::string out;
    for (const LogLine& line : lines) {
        const auto begun = begun_.find({line.name, line.is_stderr});
        if (begun == begun_.end() && !line.partial) {
            append(out, line);
            continue;
        }
        Begun& whole = begun == begun_.end() ? begun_[{line.name, line.is_stderr}] : begun->second;
        if (whole.text.empty()) whole.at = line.at;
        whole.text += line.text;
        if (line.partial && whole.text.size() < longest_line) continue;
        append(out, {line.name, whole.at, line.is_stderr, false, std::move(whole.text)});
        begun_.erase({line.name, line.is_stderr});
    }
    return out;
}

std::string LogOutput::note(const std::string& name, const std::string& text) {
    std::string out = look_.prefix ? prefix(name) : "";
    return out + paint(printable(text), Color::Dim, look_.style) + "\n";
}

std::string LogOutput::rest() {
    std::string out;
    for (auto& [key, begun] : begun_)
        append(out, {key.first, begun.at, key.second, false, std::move(begun.text)});
    begun_.clear();
    return out;
}

}  // namespace pmctl
