#include "supervisor/core/metrics_text.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "tests/unit/metrics_checker.hpp"

namespace pmctl::test {

using namespace std::chrono_literals;

TEST_CASE("Families have their HELP and TYPE, and samples their labels") {
    MetricsText out;
    out.gauge("pmctl_up", "Is it\nup? A \\ is kept.");
    out.sample({}, std::uint64_t{1});
    out.counter("pmctl_turns_total", "Turns.");
    out.sample({{"name", "a\"b\\c\nd"}, {"kind", ""}}, 0.5);
    CHECK(out.text() ==
          "# HELP pmctl_up Is it\\nup? A \\\\ is kept.\n# TYPE pmctl_up gauge\npmctl_up 1\n"
          "# HELP pmctl_turns_total Turns.\n# TYPE pmctl_turns_total counter\n"
          "pmctl_turns_total{name=\"a\\\"b\\\\c\\nd\",kind=\"\"} 0.5\n");
    CHECK(MetricsChecker().check(out.text()).fault == "");
}

TEST_CASE("A histogram's buckets add up, and its bounds belong to the lower bucket") {
    DurationHistogram latency = check_latency_histogram();
    for (const Duration each : {Duration(0), Duration(1ms), Duration(1ms + 1ns), Duration(5s), Duration(6s)})
        latency.add(each);
    MetricsText out;
    out.histogram("pmctl_check_duration_seconds", "How long.");
    out.sample({{"name", "web"}}, latency);
    const MetricsChecked checked = MetricsChecker().check(out.text());
    CHECK(checked.fault == "");
    const auto bucket = [&](const std::string& bound) {
        return checked.samples.at("pmctl_check_duration_seconds_bucket{name=\"web\",le=\"" + bound + "\"}");
    };
    CHECK(bucket("0.001") == 2);
    CHECK(bucket("0.0025") == 3);
    CHECK(bucket("2.5") == 3);
    CHECK(bucket("5") == 4);
    CHECK(bucket("+Inf") == 5);
    CHECK(checked.samples.at("pmctl_check_duration_seconds_count{name=\"web\"}") == 5);
    CHECK(checked.samples.at("pmctl_check_duration_seconds_sum{name=\"web\"}") == doctest::Approx(11.002));
}

TEST_CASE("Numbers are written so that they read back the same") {
    CHECK(metric_number(0) == "0");
    CHECK(metric_number(0.1) == "0.1");
    CHECK(metric_number(1.0 / 3) == "0.3333333333333333");
    CHECK(metric_number(1e300) == "1e+300");
    CHECK(metric_number(std::numeric_limits<double>::infinity()) == "+Inf");
    CHECK(metric_number(-std::numeric_limits<double>::infinity()) == "-Inf");
    CHECK(metric_number(std::numeric_limits<double>::quiet_NaN()) == "NaN");
}

TEST_CASE("The checker of these tests finds what is wrong") {
    const auto fault = [](const std::string& text) { return MetricsChecker().check(text).fault; };
    const std::string head = "# HELP pmctl_x X.\n# TYPE pmctl_x gauge\n";
    CHECK(fault(head + "pmctl_x 1\n") == "");
    for (const std::string& bad :
         {head + "pmctl_x 1", head + "pmctl_y 1\n", head + "pmctl_x 1\npmctl_x 2\n", head + "pmctl_x one\n",
          head + "pmctl_x{a=b} 1\n", head + "pmctl_x{a=\"\\t\"} 1\n", head + "pmctl_x{a=\"1\",a=\"2\"} 1\n",
          head + head, std::string("# TYPE pmctl_x gauge\n"), std::string("pmctl_x 1\n"),
          std::string("# HELP pmctl_x X.\n# TYPE pmctl_x counter\n"),
          std::string("# HELP pmctl_x_total X.\n# TYPE pmctl_x_total gauge\n"),
          std::string(
              "# HELP pmctl_x X.\n# TYPE pmctl_x histogram\npmctl_x_bucket{le=\"1\"} 1\npmctl_x_count 1\n"),
          std::string("# HELP pmctl_x X.\n# TYPE pmctl_x histogram\npmctl_x_bucket{le=\"+Inf\"} 1\n")}) {
        CAPTURE(bad);
        CHECK(fault(bad) != "");
    }
}

}  // namespace pmctl::test
