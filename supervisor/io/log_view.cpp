#include "supervisor/io/log_view.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "supervisor/io/log_file.hpp"

namespace pmctl {

namespace {

constexpr std::size_t block_size = std::size_t{64} << 10;
// The first read of a view; each further one is twice as large up to a block. Who reads a thousand logs wants
// a few lines of each.
constexpr std::size_t first_read = std::size_t{8} << 10;

// Up to `size` bytes at `at`; fewer where the file ends, none where it cannot be read.
std::size_t read_at(int fd, std::uint64_t at, char* into, std::size_t size) {
    std::size_t got = 0;
    while (got < size) {
        const ssize_t count = ::pread(fd, into + got, size - got, static_cast<off_t>(at + got));
        if (count <= 0) break;
        got += static_cast<std::size_t>(count);
    }
    return got;
}

// Which pieces are lines of their own, seen from the end: each F, and a P that nothing follows yet.
class LineCount {
  public:
    bool ends_line(const CriLine& line) {
        bool& seen = seen_[line.stream == LogStream::Out ? 0 : 1];
        return !std::exchange(seen, true) || !line.partial;
    }

  private:
    std::array<bool, 2> seen_{};
};

}  // namespace

// One file of the log, held open while something is looked for in it. Positions are of the whole log.
class LogView::Reader {
  public:
    Reader(const LogView& view, const File& file) : file_(file), fd_(view.open(file)) {}
    ~Reader() {
        if (fd_ >= 0) ::close(fd_);
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    std::uint64_t begin() const { return file_.begin; }
    std::uint64_t end() const { return file_.end(); }
    // Shorter than asked for only at the end of the file.
    std::string read(std::uint64_t position, std::size_t size) const {
        std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(size, end() - position)), '\0');
        text.resize(fd_ < 0 ? 0 : read_at(fd_, position - file_.begin, text.data(), text.size()));
        return text;
    }

  private:
    const File& file_;
    int fd_;
};

LogView::LogView(std::string folder) : folder_(std::move(folder)) {
    // Where `current` begins is known from the newest rotated file: both looks must see the same one, or it
    // was rotated in between. A writer does that some hundred times a second at most.
    constexpr int tries = 20;
    for (int i = 0; i < tries; ++i) {
        files_.clear();
        const auto rotated = rotated_logs(folder_);
        if (!rotated) {
            fault_ = rotated.error().message;
            return;
        }
        for (const RotatedLog& log : *rotated) {
            if (files_.empty() || log.begin >= end()) files_.push_back({log.begin, log.size});
        }
        const std::uint64_t newest = files_.empty() ? 0 : files_.back().begin;
        add_current();
        const auto again = rotated_logs(folder_);
        if (again && (again->empty() ? 0 : again->back().begin) == newest) break;
        if (i + 1 == tries && !files_.empty() && files_.back().is_current) files_.pop_back();
    }
    seek(begin());
}

void LogView::add_current() {
    struct stat status{};
    if (::stat(current_log_path(folder_).c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    files_.push_back({end(), static_cast<std::uint64_t>(status.st_size), true, status.st_dev, status.st_ino});
}

int LogView::open(const File& file) const {
    if (file.is_current) {
        const int fd = ::open(current_log_path(folder_).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat status{};
        if (fd >= 0 && ::fstat(fd, &status) == 0 && status.st_dev == file.device &&
            status.st_ino == file.inode) {
            return fd;
        }
        if (fd >= 0) ::close(fd);
    }
    // It was rotated meanwhile: then it is found under the name of its position.
    return ::open(rotated_log_path(folder_, file.begin).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

// The first line with a time that begins at or after `position`; lines that are none are passed over.
std::optional<LogView::TimedLine> LogView::first_timed(const Reader& reader, std::uint64_t position) {
    constexpr std::size_t step = 4096;
    bool at_start = position <= reader.begin();
    std::uint64_t at = at_start ? reader.begin() : position - 1;  // a newline right there begins one
    std::string text;
    while (at < reader.end()) {
        const std::string more = reader.read(at + text.size(), step);
        text += more;
        if (!at_start) {
            const std::size_t newline = text.find('\n');
            const std::size_t passed = newline == std::string::npos ? text.size() : newline + 1;
            at_start = newline != std::string::npos;
            at += passed;
            text.erase(0, passed);
        }
        if (at_start && text.size() >= cri_prefix_length) {
            if (const auto line = parse_cri(text)) return TimedLine{at, line->at};
            at_start = false;
        } else if (more.empty()) {
            break;
        }
    }
    return std::nullopt;
}

std::uint64_t LogView::find_time_in(const Reader& reader, WallTime since) {
    // All lines that begin before `low` are too old, the first at or after `high` is not.
    std::uint64_t low = reader.begin();
    std::uint64_t high = reader.end();
    while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        const auto line = first_timed(reader, middle);
        if (!line || line->at >= since) {
            high = middle;
        } else {
            low = line->position + 1;
        }
    }
    const auto line = first_timed(reader, low);
    return line ? line->position : reader.end();
}

std::uint64_t LogView::find_time(WallTime since) const {
    // The newest file that begins before then holds the place, or its end is the place.
    for (std::size_t i = files_.size(); i > 0; --i) {
        const Reader reader(*this, files_[i - 1]);
        const auto first = first_timed(reader, reader.begin());
        if (i > 1 && (!first || first->at >= since)) continue;
        return find_time_in(reader, since);
    }
    return end();
}

std::uint64_t LogView::find_last(std::uint64_t count, StreamChoice streams) const {
    std::uint64_t found = end();
    if (count == 0) return found;
    LineCount lines;
    for (std::size_t i = files_.size(); i > 0; --i) {
        const Reader reader(*this, files_[i - 1]);
        // From the end, a block at a time. `text` begins at `at`; the beginning of its first line may lie
        // further in front, then the rest of that line waits in it for the next block.
        std::uint64_t at = reader.end();
        std::string text;
        while (at > reader.begin()) {
            const auto size =
                static_cast<std::size_t>(std::min<std::uint64_t>(block_size, at - reader.begin()));
            const std::string block = reader.read(at - size, size);
            if (block.size() != size) return found;  // it was removed under our hands
            text.insert(0, block);
            at -= size;
            std::size_t line_end = text.size();
            while (line_end > 0) {
                const std::size_t newline = line_end < 2 ? std::string::npos : text.rfind('\n', line_end - 2);
                const std::size_t start = newline == std::string::npos ? 0 : newline + 1;
                if (newline == std::string::npos && at > reader.begin()) break;
                const std::string_view line(text.data() + start, line_end - start);
                line_end = start;
                if (!line.ends_with('\n')) continue;
                const auto parsed = parse_cri_untimed(line.substr(0, line.size() - 1));
                if (!parsed || !streams.wants(parsed->stream)) continue;
                if (lines.ends_line(*parsed)) {
                    if (count == 0) return found;
                    --count;
                }
                found = at + start;
            }
            text.resize(line_end <= longest_line ? line_end : 0);
        }
    }
    return found;
}

void LogView::seek(std::uint64_t position) {
    buffer_.clear();
    buffer_used_ = 0;
    in_long_line_ = false;
    replaced_ = position > end();
    position_ = replaced_ ? begin() : position;
    for (file_ = 0; file_ < files_.size(); ++file_) {
        if (position_ < files_[file_].end() || file_ + 1 == files_.size()) break;
    }
    if (file_ < files_.size() && position_ < files_[file_].begin) {
        lost_ += files_[file_].begin - position_;
        position_ = files_[file_].begin;
    }
}

// More of the log into the buffer, whose rest is no whole line; false at the end.
bool LogView::read_ahead() {
    buffer_.erase(0, buffer_used_);
    buffer_used_ = 0;
    if (buffer_.size() > longest_line) {
        position_ += buffer_.size();
        buffer_.clear();
        in_long_line_ = true;
    }
    while (file_ < files_.size()) {
        const File& file = files_[file_];
        const std::uint64_t at = position_ + buffer_.size();
        if (at < file.end()) {
            const std::size_t before = buffer_.size();
            read_size_ = std::clamp(read_size_ * 2, first_read, block_size);
            buffer_.resize(before +
                           static_cast<std::size_t>(std::min<std::uint64_t>(read_size_, file.end() - at)));
            const int fd = open(file);
            if (fd < 0 && errno != ENOENT) {
                fault_ = "'" + folder_ + "': " + std::strerror(errno);
                buffer_.resize(before);
                return false;
            }
            const std::size_t got =
                fd < 0 ? 0 : read_at(fd, at - file.begin, buffer_.data() + before, buffer_.size() - before);
            if (fd >= 0) ::close(fd);
            buffer_.resize(before + got);
            if (got > 0) return true;
        }
        if (file_ + 1 == files_.size()) return false;
        // What is left of this file is gone, or a line that never got its end.
        if (at < file.end()) lost_ += file.end() - position_;
        if (at >= file.end() && (!buffer_.empty() || in_long_line_)) ++unreadable_;
        lost_ += files_[file_ + 1].begin - file.end();
        position_ = files_[++file_].begin;
        buffer_.clear();
        in_long_line_ = false;
    }
    return false;
}

// Nothing when what is left is no whole line.
std::optional<std::string_view> LogView::take_line() {
    std::size_t looked_at = buffer_used_;
    while (true) {
        const std::size_t newline = buffer_.find('\n', looked_at);
        if (newline != std::string::npos) {
            const auto line = std::string_view(buffer_).substr(buffer_used_, newline - buffer_used_);
            buffer_used_ = newline + 1;
            position_ += line.size() + 1;
            return line;
        }
        const std::uint64_t at = position_;
        const std::size_t rest = buffer_.size() - buffer_used_;
        if (!read_ahead()) return std::nullopt;
        looked_at = position_ == at ? rest : 0;
    }
}

std::optional<CriLine> LogView::next(StreamChoice streams) {
    while (const auto line = take_line()) {
        const bool is_rest = std::exchange(in_long_line_, false);
        const auto parsed = is_rest ? std::nullopt : parse_cri(*line);
        if (!parsed) {
            ++unreadable_;
        } else if (streams.wants(parsed->stream)) {
            return parsed;
        }
    }
    return std::nullopt;
}

}  // namespace pmctl
