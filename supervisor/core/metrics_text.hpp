// Writes Prometheus' text format, version 0.0.4: each family with its HELP and TYPE line, its samples after
// it, labels escaped. Which figures there are is metrics.hpp's.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/time.hpp"

namespace pmctl {

// Counts of durations: Prometheus' histogram, whose buckets are fixed from the start.
struct DurationHistogram {
    static constexpr std::size_t most = 12;
    std::span<const Duration> bounds;              // rising, at most `most` of them; outlives this
    std::array<std::uint64_t, most + 1> counts{};  // of each bucket alone; behind the last bound: all longer
    std::uint64_t count = 0;
    Duration sum{};

    void add(Duration value);
};
DurationHistogram check_latency_histogram();  // 1 ms to 5 s
DurationHistogram recovery_histogram();       // 100 ms to 10 min

class MetricsText {
  public:
    using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

    // A new family. `name` without the suffixes of a histogram; a counter's ends in _total.
    void gauge(std::string_view name, std::string_view help) { family(name, help, "gauge"); }
    void counter(std::string_view name, std::string_view help) { family(name, help, "counter"); }
    void histogram(std::string_view name, std::string_view help) { family(name, help, "histogram"); }

    // A sample of the family that was begun last. No two of one family have the same labels.
    void sample(const Labels& labels, double value);
    void sample(const Labels& labels, std::uint64_t value);
    void sample(const Labels& labels, const DurationHistogram& value);  // in seconds

    const std::string& text() const { return text_; }

  private:
    void family(std::string_view name, std::string_view help, std::string_view type);
    void begin_sample(std::string_view suffix, const Labels& labels, std::string_view bound = {});

    std::string text_;
    std::string name_;
};

// "0.25", "1e+15", "+Inf": as Go's ParseFloat reads it back to the same value.
std::string metric_number(double value);

}  // namespace pmctl
