#include "supervisor/logging.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>

namespace pmctl {

namespace {

constexpr mode_t log_mode = 0644;

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

// Lines are gathered while there is something more urgent to do, the start of a process say, and then written
// together. An error is written at once, with all before it: it may be the last that can be said.
class LogSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  public:
    explicit LogSink(int fd) : fd_(fd) {}
    ~LogSink() override {
        flush_();
        if (fd_ != STDERR_FILENO) ::close(fd_);
    }
    LogSink(const LogSink&) = delete;
    LogSink& operator=(const LogSink&) = delete;

    void gather(std::function<void(std::function<void()>)> later) {
        later_ = std::move(later);
        if (!later_) flush_();
    }

    void take_stderr() const {
        if (fd_ != STDERR_FILENO) ::dup2(fd_, STDERR_FILENO);
    }

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        const bool is_first = lines_.size() == 0;
        formatter_->format(message, lines_);
        if (!later_ || message.level >= spdlog::level::err) return flush_();
        if (is_first) later_([this] { flush_(); });
    }
    // What cannot be written is lost, as there is nowhere to say so.
    void flush_() override {
        const char* at = lines_.data();
        const char* const end = at + lines_.size();
        while (at < end) {
            const ssize_t count = ::write(fd_, at, static_cast<std::size_t>(end - at));
            if (count > 0) {
                at += count;
            } else if (errno == EAGAIN) {
                // Somebody shares this descriptor and made it so: a terminal, or a pipe that is full.
                pollfd room{fd_, POLLOUT, 0};
                if (::poll(&room, 1, patience_ms) <= 0) break;
            } else if (errno != EINTR) {
                break;
            }
        }
        lines_.clear();
    }

  private:
    static constexpr int patience_ms = 100;

    int fd_;
    spdlog::memory_buf_t lines_;
    std::function<void(std::function<void()>)> later_;
};

}  // namespace

void send_stderr_to_log() {
    for (const auto& sink : spdlog::default_logger()->sinks()) {
        if (const auto* own = dynamic_cast<const LogSink*>(sink.get())) own->take_stderr();
    }
}

void gather_log_lines(const std::function<void(std::function<void()>)>& later) {
    for (const auto& sink : spdlog::default_logger()->sinks()) {
        if (auto* own = dynamic_cast<LogSink*>(sink.get())) own->gather(later);
    }
}

Result<void> start_logging(const std::string& level, const std::string& format, const std::string& file) {
    int fd = STDERR_FILENO;
    std::error_code not_made;  // then the open fails, and says it better
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), not_made);
    if (!file.empty()) fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, log_mode);
    if (fd < 0) return fail("cannot write the log '" + file + "': " + std::strerror(errno));
    auto sink = std::make_shared<LogSink>(fd);
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
    spdlog::set_default_logger(std::move(logger));
    return {};
}

}  // namespace pmctl
