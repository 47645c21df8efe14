// The rules of Prometheus' text format, version 0.0.4, and of its naming advice, as a strict reader: what
// promtool check metrics would find fault with.
#pragma once

#include <cctype>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace pmctl::test {

struct MetricsChecked {
    std::string fault;                      // "" when there is none, with the line
    std::map<std::string, double> samples;  // `name{a="b"}` as written → value
};

class MetricsChecker {
  public:
    MetricsChecked check(const std::string& text) {
        if (text.empty() || text.back() != '\n') return {"the last line does not end", {}};
        std::istringstream lines(text);
        std::string line;
        while (found_.fault.empty() && std::getline(lines, line)) {
            const std::string what = line.starts_with('#') ? comment(line) : sample(line);
            if (!what.empty()) found_.fault = what + ": " + line;
        }
        if (found_.fault.empty()) found_.fault = end_family();
        return found_;
    }

  private:
    static bool is_name(std::string_view text, bool colons) {
        if (text.empty() || (std::isdigit(static_cast<unsigned char>(text[0])) != 0)) return false;
        for (const char c : text) {
            if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && !(colons && c == ':'))
                return false;
        }
        return true;
    }

    std::string comment(const std::string& line) {
        std::istringstream words(line);
        std::string hash;
        std::string what;
        std::string name;
        words >> hash >> what >> name;
        if (hash != "#" || (what != "HELP" && what != "TYPE")) return "neither HELP nor TYPE";
        if (!is_name(name, true)) return "no name of a metric";
        if (what == "HELP") {
            if (const std::string fault = end_family(); !fault.empty()) return fault;
            if (!families_.insert(name).second) return "a family that is there already";
            name_ = name;
            type_.clear();
            std::string help;
            std::getline(words, help);
            return help.size() < 2 ? "an empty HELP" : "";
        }
        words >> type_;
        if (name != name_) return "TYPE without its HELP before it";
        if (type_ != "counter" && type_ != "gauge" && type_ != "histogram") return "an unknown type";
        const bool total = name.ends_with("_total");
        if ((type_ == "counter") != total) return "_total is for counters, and all of them";
        for (const char* unit : {"_ms", "_milliseconds", "_minutes", "_kilobytes", "_percent"}) {
            if (name.find(unit) != std::string::npos) return "no base unit";
        }
        return name.starts_with("pmctl_") ? "" : "not ours by name";
    }

    std::string sample(const std::string& line) {
        const auto name_end = line.find_first_of("{ ");
        if (name_end == std::string::npos) return "no value";
        const std::string name = line.substr(0, name_end);
        if (!is_name(name, true)) return "no name";
        std::string suffix;
        if (type_ == "histogram") {
            for (const char* each : {"_bucket", "_sum", "_count"}) {
                if (name == name_ + each) suffix = each;
            }
            if (suffix.empty()) return "not of this histogram";
        } else if (name != name_) {
            return "not of this family";
        }
        std::size_t at = name_end;
        std::map<std::string, std::string> labels;
        if (line[at] == '{') {
            if (const std::string fault = read_labels(line, at, labels); !fault.empty()) return fault;
        }
        if (at >= line.size() || line[at] != ' ') return "no space before the value";
        const std::string number = line.substr(at + 1);
        char* end = nullptr;
        const double value = std::strtod(number.c_str(), &end);
        if (number.empty() || *end != '\0' || number.find_first_of(" x") != std::string::npos)
            return "no number";
        if (type_ == "counter" && value < 0) return "a counter below 0";
        if (!found_.samples.emplace(line.substr(0, at), value).second)
            return "a sample that is there already";
        return type_ == "histogram" ? of_histogram(suffix, labels, value) : "";
    }

    static std::string read_labels(const std::string& line, std::size_t& at,
                                   std::map<std::string, std::string>& labels) {
        do {
            const auto equals = line.find("=\"", ++at);
            if (equals == std::string::npos) return "a label without a value";
            const std::string key = line.substr(at, equals - at);
            if (!is_name(key, false) || key.starts_with("__")) return "no name of a label";
            std::string value;
            for (at = equals + 2; at < line.size() && line[at] != '"'; ++at) {
                if (line[at] == '\\') {
                    ++at;
                    if (at >= line.size() ||
                        std::string_view("\\\"n").find(line[at]) == std::string_view::npos)
                        return "an unknown escape";
                }
                value += line[at];
            }
            if (++at >= line.size()) return "a label without an end";
            if (!labels.emplace(key, value).second) return "a label twice";
        } while (line[at] == ',');
        return line[at++] == '}' ? "" : "labels without an end";
    }

    std::string of_histogram(const std::string& suffix, std::map<std::string, std::string> labels,
                             double value) {
        if (suffix == "_bucket") {
            if (!labels.contains("le")) return "a bucket without le";
            const double bound = std::strtod(labels["le"].c_str(), nullptr);
            if (!buckets_.empty() && (bound <= buckets_.back().first || value < buckets_.back().second))
                return "buckets that do not rise";
            buckets_.emplace_back(bound, value);
        } else if (labels.contains("le")) {
            return "le where it does not belong";
        } else if (suffix == "_count") {
            if (buckets_.empty() || buckets_.back().first <= 1e300) return "no bucket of +Inf";
            if (buckets_.back().second != value) return "a count other than that of +Inf";
            buckets_.clear();
        }
        return "";
    }

    std::string end_family() const {
        if (!name_.empty() && type_.empty()) return "no TYPE of " + name_;
        return buckets_.empty() ? "" : "a histogram without its count: " + name_;
    }

    MetricsChecked found_;
    std::set<std::string> families_;
    std::string name_;
    std::string type_;
    std::vector<std::pair<double, double>> buckets_;
};

}  // namespace pmctl::test
