// What a benchmark found, as rows of one table: a figure, the bare loop's beside it, the aim and whether it
// was reached.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "shared/time.hpp"

namespace pmctl::bench {

struct Aim {
    enum class Kind { AtMost, AtLeast };
    Kind kind = Kind::AtMost;
    double limit = 0;

    bool reached(double value) const { return kind == Kind::AtMost ? value <= limit : value >= limit; }
};
inline Aim at_most(double limit) {
    return {Aim::Kind::AtMost, limit};
}
inline Aim at_least(double limit) {
    return {Aim::Kind::AtLeast, limit};
}

struct Figure {
    std::string what;
    double value = 0;  // what the aim is about
    std::string unit;
    std::optional<Aim> aim;
    std::string how;  // the figures behind it: "bare 9,812 /s, pmctl 8,120 /s"
};

// One line each, with a heading; how many aims were missed.
std::size_t print_table(const std::vector<Figure>& figures);

template <class T>
T median(std::vector<T> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? T{} : values[values.size() / 2];
}

inline double milliseconds(Duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace pmctl::bench
