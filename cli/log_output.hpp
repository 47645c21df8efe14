// Log lines as they are shown: pieces joined, prefixes aligned and coloured. Pure but for the time zone.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/table.hpp"
#include "shared/protocol.hpp"

namespace pmctl {

struct LogLook {
    bool prefix = false;  // "web | " before each line
    bool timestamps = false;
    bool json = false;
    Style style;
};

class LogOutput {
  public:
    explicit LogOutput(LogLook look) : look_(look) {}

    // Names that are to come: prefixes are as wide as the widest of them. One colour each, in this order.
    void expect(const std::vector<std::string>& names);
    std::string text(const std::vector<LogLine>& lines);
    // A line that did not come from a log: "pmctld | 'web': Running → Failed".
    std::string note(const std::string& name, const std::string& text);
    // What was begun and not ended, as lines.
    std::string rest();

  private:
    struct Begun {
        WallTime at{};
        std::string text;
    };
    void append(std::string& out, const LogLine& line);
    std::string prefix(const std::string& name);

    LogLook look_;
    std::size_t width_ = 0;
    std::map<std::string, std::size_t> order_;
    std::map<std::pair<std::string, bool>, Begun> begun_;  // by name and stream
};

}  // namespace pmctl
