// The parts of output.hpp that show how well what is wanted was kept running.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/output.hpp"
#include "shared/json_text.hpp"

namespace pmctl {

namespace {

std::optional<double> availability_of(const ReportRow& row) {
    if (row.wanted <= Duration::zero()) return std::nullopt;
    return static_cast<double>(row.served.count()) / static_cast<double>(row.wanted.count());
}

std::optional<double> cpu_share_of(const ReportReply& reply) {
    if (reply.uptime <= Duration::zero()) return std::nullopt;
    return static_cast<double>(reply.cpu.count()) / static_cast<double>(reply.uptime.count());
}

// "99.95 %", and never 100 for what is less.
std::string percent(double share) {
    const double shown = share < 1 ? std::floor(share * 1e5) / 1e3 : share * 100;
    std::string text(32, '\0');
    text.resize(static_cast<std::size_t>(std::snprintf(text.data(), text.size(), "%.3f", shown)));
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text + " %";
}

// "1.2MiB": for people.
std::string mebibytes(std::uint64_t bytes) {
    std::string text(32, '\0');
    const double size = static_cast<double>(bytes) / (1 << 20);
    text.resize(static_cast<std::size_t>(std::snprintf(text.data(), text.size(), "%.1f MiB", size)));
    return text;
}

Color judged(bool met) {
    return met ? Color::Green : Color::Red;
}

std::string when_any(const DurationFigures& figures, Duration value) {
    return figures.count == 0 ? "-" : describe_duration(value);
}

std::string window_text(const ReportReply& reply) {
    std::string text = date_text(reply.covered_since) + " to " + date_text(reply.until) + " (" +
                       describe_duration(reply.until - reply.covered_since);
    if (reply.covered_since > reply.since)
        text += " of the " + describe_duration(reply.until - reply.since) +
                " asked for: nothing is known of "
                "the time before";
    return text + ")";
}

void add_row(Table& table, const ReportRow& row, const std::string& name, WallTime until) {
    const auto availability = availability_of(row);
    const DurationFigures& back = row.recoveries;
    std::string updates = std::to_string(row.updates);
    if (row.failed_updates > 0) updates += " (" + std::to_string(row.failed_updates) + " failed)";
    table.add_row(
        {{printable(name)},
         {availability ? percent(*availability) : "-",
          availability ? judged(*availability >= aimed_availability) : Color::None},
         {describe_duration(row.wanted)},
         {std::to_string(row.failures)},
         {updates},
         {std::to_string(back.count)},
         {when_any(back, back.mean)},
         {when_any(back, back.p50)},
         {when_any(back, back.p99)},
         {when_any(back, back.worst), back.count > 0 ? judged(back.worst <= aimed_recovery) : Color::None},
         {row.missed_since ? describe_duration(until - *row.missed_since) : "", Color::Red}});
}

void figures_json(JsonWriter& out, const DurationFigures& figures) {
    const auto span_of = [&](std::string_view key, Duration value) {
        out.key(key);
        figures.count == 0 ? out.null() : out.milliseconds(value.count());
    };
    out.begin_object();
    out.key("count");
    out.number(figures.count);
    span_of("mean_ms", figures.mean);
    span_of("p50_ms", figures.p50);
    span_of("p99_ms", figures.p99);
    span_of("worst_ms", figures.worst);
    out.end_object();
}

void share_json(JsonWriter& out, std::string_view key, const std::optional<double>& share) {
    out.key(key);
    share ? out.real(*share) : out.null();
}

void span_json(JsonWriter& out, std::string_view key, Duration value) {
    out.key(key);
    out.milliseconds(value.count());
}

void row_json(JsonWriter& out, const ReportRow& row) {
    const auto number_of = [&](std::string_view key, std::uint64_t value) {
        out.key(key);
        out.number(value);
    };
    out.begin_object();
    out.key("name");
    out.string_or_null(row.name);
    share_json(out, "availability", availability_of(row));
    span_json(out, "wanted_ms", row.wanted);
    span_json(out, "running_ms", row.served);
    number_of("failures", row.failures);
    number_of("updates", row.updates);
    number_of("failed_updates", row.failed_updates);
    out.key("recovery");
    figures_json(out, row.recoveries);
    out.key("missed_since");
    row.missed_since ? out.string(format_rfc3339(*row.missed_since, 3)) : out.null();
    out.end_object();
}

}  // namespace

std::string report_text(const ReportReply& reply, const Style& style) {
    std::string text = "window       " + window_text(reply) + "\n";
    text += "not watched  " +
            (reply.not_watched == Duration::zero()
                 ? std::string("0s")
                 : describe_duration(reply.not_watched) + ", in which no supervisor ran") +
            "\n\n";
    if (!reply.rows.empty()) {
        Table table;
        table.add_row({{"NAME"},
                       {"AVAILABILITY"},
                       {"WANTED"},
                       {"FAILURES"},
                       {"UPDATES"},
                       {"RECOVERIES"},
                       {"MEAN"},
                       {"P50"},
                       {"P99"},
                       {"WORST"},
                       {"DOWN FOR"}});
        for (const ReportRow& row : reply.rows) add_row(table, row, row.name, reply.until);
        if (reply.rows.size() > 1) add_row(table, reply.total, "all", reply.until);
        text += table.text(style) + "\n";
    }
    Table aims;
    aims.add_row({{"FIGURE"}, {"VALUE"}, {"AIM"}, {""}});
    const auto line = [&](const std::string& figure, const std::string& value, const std::string& aim,
                          std::optional<bool> met) {
        aims.add_row({{figure},
                      {value},
                      {aim},
                      {!met   ? ""
                       : *met ? "met"
                              : "missed",
                       judged(met.value_or(true))}});
    };
    const auto availability = availability_of(reply.total);
    line("availability", availability ? percent(*availability) : "-",
         "at least " + percent(aimed_availability),
         availability ? std::optional(*availability >= aimed_availability) : std::nullopt);
    // One that has not come back counts as it is by now.
    const Duration down =
        reply.total.missed_since ? reply.until - *reply.total.missed_since : Duration::zero();
    const DurationFigures& back = reply.total.recoveries;
    const Duration longest = std::max(back.worst, down);
    const bool any = back.count > 0 || reply.total.missed_since;
    line("longest recovery",
         any ? describe_duration(longest) + (down > back.worst ? ", not over yet" : "") : "-",
         "at most " + describe_duration(aimed_recovery),
         any ? std::optional(longest <= aimed_recovery) : std::nullopt);
    const auto cpu = cpu_share_of(reply);
    line("supervisor CPU", cpu ? percent(*cpu) + " over " + describe_duration(reply.uptime) : "-",
         "at most " + percent(aimed_cpu_share), cpu ? std::optional(*cpu <= aimed_cpu_share) : std::nullopt);
    const DurationFigures& changes = reply.configuration;
    line("configuration latency",
         changes.count == 0
             ? "-"
             : describe_duration(changes.worst) + " at worst, median " + describe_duration(changes.p50) +
                   " (of " + std::to_string(changes.count) + ")",
         "at most " + describe_duration(aimed_configuration),
         changes.count == 0 ? std::nullopt : std::optional(changes.worst <= aimed_configuration));
    line("supervisor memory", mebibytes(reply.resident_bytes), "", std::nullopt);
    return text + aims.text(style);
}

std::string report_json(const ReportReply& reply) {
    std::string text;
    JsonWriter out(text);
    const auto time_of = [&](std::string_view key, WallTime value) {
        out.key(key);
        out.string(format_rfc3339(value, 3));
    };
    out.begin_object();
    time_of("since", reply.since);
    time_of("covered_since", reply.covered_since);
    time_of("until", reply.until);
    span_json(out, "not_watched_ms", reply.not_watched);
    out.key("instances");
    out.begin_array();
    for (const ReportRow& row : reply.rows) row_json(out, row);
    out.end_array();
    out.key("all");
    row_json(out, reply.total);
    out.key("configuration");
    figures_json(out, reply.configuration);
    out.key("supervisor");
    out.begin_object();
    share_json(out, "cpu_share", cpu_share_of(reply));
    span_json(out, "uptime_ms", reply.uptime);
    out.key("resident_bytes");
    out.number(reply.resident_bytes);
    out.end_object();
    out.key("aims");
    out.begin_object();
    share_json(out, "availability", aimed_availability);
    span_json(out, "recovery_ms", aimed_recovery);
    share_json(out, "cpu_share", aimed_cpu_share);
    span_json(out, "configuration_ms", aimed_configuration);
    out.end_object();
    out.end_object();
    return text + "\n";
}

}  // namespace pmctl
