#include "supervisor/logging.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>
#include <utility>

namespace pmctl {

namespace {

// %j: the message as a JSON string.
class JsonMessage : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg& message, const std::tm&,
                spdlog::memory_buf_t& into) override {
        into.push_back('"');
        for (const char c : message.payload) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                into.push_back('\\');
                into.push_back(c);
            } else if (byte < 0x20) {
                fmt::format_to(std::back_inserter(into), "\\u{:04x}", byte);
            } else {
                into.push_back(c);
            }
        }
        into.push_back('"');
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonMessage>(); }
};

// %P: the priority as sd-daemon(3) has it, "<6>".
class JournalPriority : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg& message, const std::tm&,
                spdlog::memory_buf_t& into) override {
        fmt::format_to(std::back_inserter(into), "<{}>", number(message.level));
    }
    std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<JournalPriority>();
    }

  private:
    static int number(spdlog::level::level_enum level) {
        switch (level) {
            case spdlog::level::critical: return 2;
            case spdlog::level::err: return 3;
            case spdlog::level::warn: return 4;
            case spdlog::level::info: return 6;
            case spdlog::level::trace:
            case spdlog::level::debug:
            case spdlog::level::off:
            case spdlog::level::n_levels: return 7;
        }
        return 7;
    }
};

}  // namespace

Result<void> start_logging(const std::string& level, const std::string& format, const std::string& file) {
    std::shared_ptr<spdlog::sinks::sink> sink;
    try {
        if (file.empty()) {
            sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
        } else {
            sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(file);
        }
    } catch (const spdlog::spdlog_ex& error) {
        return fail("cannot write the log '" + file + "': " + error.what());
    }
    const bool journal = file.empty() && std::getenv("JOURNAL_STREAM") != nullptr;
    const std::string pattern = format == "json"
                                    ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":%j})"
                                : journal ? "%P%v"
                                          : "%Y-%m-%dT%H:%M:%S.%eZ %l: %v";
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    formatter->add_flag<JsonMessage>('j').add_flag<JournalPriority>('P').set_pattern(pattern);
    auto logger = std::make_shared<spdlog::logger>("pmctld", std::move(sink));
    logger->set_formatter(std::move(formatter));
    logger->set_level(spdlog::level::from_str(level == "warn" ? "warning" : level));
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
    return {};
}

}  // namespace pmctl
