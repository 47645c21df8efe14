#include "tests/tools/demo_admin_faults.hpp"

#include <algorithm>
#include <array>

namespace pmctl {

namespace {

struct Word {
    std::string_view name;
    bool DemoFaults::* flag;
    std::string_view meaning;
};

constexpr std::string_view delay_prefix = "delay=";
constexpr std::array<Word, 10> words = {
    {{"401", &DemoFaults::unauthorized, "every secret is refused"},
     {"500", &DemoFaults::broken, "500 with a plain text"},
     {"redirect", &DemoFaults::redirect, "302 to /elsewhere"},
     {"garbage", &DemoFaults::garbage, "200 with bytes that are no JSON"},
     {"lower-id", &DemoFaults::lower_id, "polls answer at once with an id below the last seen one"},
     {"empty", &DemoFaults::empty, "an empty list of applications"},
     {"duplicate", &DemoFaults::duplicate, "the list has one id twice"},
     {"huge", &DemoFaults::huge, "the list is over 16 MiB"},
     {"cut", &DemoFaults::cut, "the list ends in the middle, and the connection with it"},
     {"stray-body", &DemoFaults::stray_body, "a poll's 304 is followed by a body, which HTTP forbids"}}};

}  // namespace

Result<DemoFaults> parse_faults(std::string_view list) {
    DemoFaults faults;
    if (list.empty() || list == "none") return faults;
    for (;;) {
        const auto comma = list.find(',');
        const std::string_view word = list.substr(0, comma);
        const auto* const known =
            std::find_if(words.begin(), words.end(), [word](const Word& one) { return one.name == word; });
        if (word.starts_with(delay_prefix)) {
            const auto delay = parse_duration(word.substr(delay_prefix.size()));
            if (!delay) return fail(ErrorKind::Invalid, "fault 'delay': " + delay.error().message);
            faults.delay = *delay;
        } else if (known != words.end()) {
            faults.*(known->flag) = true;
        } else {
            std::string all = "delay=TIME";
            for (const Word& one : words) all += ", " + std::string(one.name);
            std::string message = "'";
            message.append(word).append("' is no fault; there are ").append(all);
            return fail(ErrorKind::Invalid, message + ", several separated by commas, and 'none'");
        }
        if (comma == std::string_view::npos) return faults;
        list.remove_prefix(comma + 1);
    }
}

std::string describe_faults() {
    constexpr std::size_t column = 14;
    std::string text = "  delay=TIME    each answer comes this much later: 250ms, 2s\n";
    for (const Word& word : words) {
        text += "  " + std::string(word.name) + std::string(column - word.name.size(), ' ') +
                std::string(word.meaning) + "\n";
    }
    return text;
}

}  // namespace pmctl
