#include "supervisor/core/metrics_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace pmctl {

namespace {

using namespace std::chrono_literals;

// The format's rules: a backslash and a line feed are escaped everywhere, a quote in a label's value.
void escape(std::string& out, std::string_view text, bool label) {
    for (const char c : text) {
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '"' && label) {
            out += "\\\"";
        } else {
            out += c;
        }
    }
}

double seconds(Duration value) {
    return std::chrono::duration<double>(value).count();
}

}  // namespace

void DurationHistogram::add(Duration value) {
    const auto place = std::lower_bound(bounds.begin(), bounds.end(), value);
    ++counts.at(static_cast<std::size_t>(place - bounds.begin()));
    ++count;
    sum += value;
}

DurationHistogram check_latency_histogram() {
    static constexpr std::array<Duration, 12> bounds{1ms,   2500us, 5ms,   10ms, 25ms,   50ms,
                                                     100ms, 250ms,  500ms, 1s,   2500ms, 5s};
    DurationHistogram made;
    made.bounds = bounds;
    return made;
}

DurationHistogram recovery_histogram() {
    static constexpr std::array<Duration, 12> bounds{100ms, 250ms, 500ms, 1s,   2500ms, 5s,
                                                     10s,   30s,   1min,  2min, 5min,   10min};
    DurationHistogram made;
    made.bounds = bounds;
    return made;
}

std::string metric_number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    return fmt::format("{}", value);  // the shortest that reads back the same
}

void MetricsText::family(std::string_view name, std::string_view help, std::string_view type) {
    name_ = name;
    fmt::format_to(std::back_inserter(text_), "# HELP {} ", name);
    escape(text_, help, false);
    fmt::format_to(std::back_inserter(text_), "\n# TYPE {} {}\n", name, type);
}

void MetricsText::begin_sample(std::string_view suffix, const Labels& labels, std::string_view bound) {
    text_ += name_;
    text_ += suffix;
    if (labels.empty() && bound.empty()) {
        text_ += ' ';
        return;
    }
    char before = '{';
    const auto add = [&](std::string_view key, std::string_view value) {
        text_ += std::exchange(before, ',');
        text_ += key;
        text_ += "=\"";
        escape(text_, value, true);
        text_ += '"';
    };
    for (const auto& [key, value] : labels) add(key, value);
    if (!bound.empty()) add("le", bound);
    text_ += "} ";
}

void MetricsText::sample(const Labels& labels, double value) {
    begin_sample("", labels);
    text_ += metric_number(value);
    text_ += '\n';
}

void MetricsText::sample(const Labels& labels, std::uint64_t value) {
    begin_sample("", labels);
    text_ += std::to_string(value);
    text_ += '\n';
}

void MetricsText::sample(const Labels& labels, const DurationHistogram& value) {
    const auto line = [&](std::string_view suffix, std::string_view bound, const std::string& number) {
        begin_sample(suffix, labels, bound);
        text_ += number;
        text_ += '\n';
    };
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < value.bounds.size(); ++i) {
        so_far += value.counts.at(i);
        line("_bucket", metric_number(seconds(value.bounds[i])), std::to_string(so_far));
    }
    line("_bucket", "+Inf", std::to_string(value.count));
    line("_sum", "", metric_number(seconds(value.sum)));
    line("_count", "", std::to_string(value.count));
}

}  // namespace pmctl
