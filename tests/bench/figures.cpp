#include "tests/bench/figures.hpp"

#include <fmt/format.h>

namespace pmctl::bench {

namespace {

// Three digits are more than a machine that does other things as well gives twice.
std::string number(double value) {
    if (value >= 100) return fmt::format("{:.0f}", value);
    return fmt::format("{:.{}f}", value, value >= 10 ? 1 : 2);
}

std::string text_of(const std::optional<Aim>& aim) {
    if (!aim) return "";
    return (aim->kind == Aim::Kind::AtMost ? "<= " : ">= ") + number(aim->limit);
}

}  // namespace

std::size_t print_table(const std::vector<Figure>& figures) {
    std::size_t missed = 0;
    fmt::print("{:<44} {:>8} {:<7} {:>9} {:<7}  {}\n", "figure", "value", "unit", "aim", "reached", "how");
    for (const Figure& figure : figures) {
        const bool reached = !figure.aim || figure.aim->reached(figure.value);
        missed += reached ? 0 : 1;
        const char* word = !figure.aim ? "" : reached ? "yes" : "NO";
        fmt::print("{:<44} {:>8} {:<7} {:>9} {:<7}  {}\n", figure.what, number(figure.value), figure.unit,
                   text_of(figure.aim), word, figure.how);
    }
    return missed;
}

}  // namespace pmctl::bench
