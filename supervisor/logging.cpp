#include "supervisor/logging.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>

namespace pmctl {

namespace {

constexpr mode_t log_mode = 0644;
constexpr std::uint64_t largest_file = 10 << 20;  // bytes

Result<int> open_log(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, log_mode);
    if (fd < 0) return fail("cannot write the log '" + path + "': " + std::strerror(errno));
    return fd;
}

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
    // `path`: "" where it is standard error.
    LogSink(int fd, std::string path) : fd_(fd), path_(std::move(path)) { look_at_size(); }
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

    void take_stderr() {
        has_stderr_ = !path_.empty();
        if (has_stderr_) ::dup2(fd_, STDERR_FILENO);
    }

    Result<void> reopen() {
        if (path_.empty()) return {};
        flush_();
        const auto opened = open_log(path_);
        if (!opened) return tl::unexpected(opened.error());
        ::dup3(*opened, fd_, O_CLOEXEC);
        ::close(*opened);
        if (has_stderr_) take_stderr();
        look_at_size();
        return {};
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
                size_ += static_cast<std::uint64_t>(count);
            } else if (errno == EAGAIN) {
                // Somebody shares this descriptor and made it so: a terminal, or a pipe that is full.
                pollfd room{fd_, POLLOUT, 0};
                if (::poll(&room, 1, patience_ms) <= 0) break;
            } else if (errno != EINTR) {
                break;
            }
        }
        lines_.clear();
        if (!path_.empty() && size_ >= largest_file) rotate();
    }

  private:
    static constexpr int patience_ms = 100;

    // Where that fails it is tried again when as much has been written once more.
    void rotate() {
        size_ = 0;
        if (::rename(path_.c_str(), (path_ + ".1").c_str()) == 0) static_cast<void>(reopen());
    }
    void look_at_size() {
        struct stat status{};
        size_ = ::fstat(fd_, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
    }

    int fd_;
    std::string path_;
    bool has_stderr_ = false;
    std::uint64_t size_ = 0;
    spdlog::memory_buf_t lines_;
    std::function<void(std::function<void()>)> later_;
};

// Null: the log is not ours yet.
LogSink* own_sink() {
    for (const auto& sink : spdlog::default_logger()->sinks()) {
        if (auto* own = dynamic_cast<LogSink*>(sink.get())) return own;
    }
    return nullptr;
}

}  // namespace

void send_stderr_to_log() {
    if (LogSink* sink = own_sink()) sink->take_stderr();
}

void gather_log_lines(const std::function<void(std::function<void()>)>& later) {
    if (LogSink* sink = own_sink()) sink->gather(later);
}

Result<void> reopen_log_file() {
    LogSink* sink = own_sink();
    return sink == nullptr ? Result<void>() : sink->reopen();
}

Result<void> start_logging(const std::string& level, const std::string& format, const std::string& file) {
    int fd = STDERR_FILENO;
    std::error_code not_made;  // then the open fails, and says it better
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), not_made);
    if (!file.empty()) {
        const auto opened = open_log(file);
        if (!opened) return tl::unexpected(opened.error());
        fd = *opened;
    }
    auto sink = std::make_shared<LogSink>(fd, file);
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
