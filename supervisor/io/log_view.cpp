#include "supervisor/io/log_view.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "supervisor/io/log_file.hpp"

namespace pmctl {

namespace {

constexpr std::size_t block_size = std::size_t{64} << 10;

}  // namespace

LogView::LogView(const std::string& folder) {
    // `current` first: one that is rotated between the two looks is then seen twice, as the same file, never
    // not at all.
    const int current = ::open((folder + "/current").c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status{};
    if (current >= 0) ::fstat(current, &status);
    for (const RotatedLog& log : rotated_logs(folder)) {
        const int fd = ::open(log.path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;  // removed meanwhile
        struct stat of_rotated{};
        const bool same = ::fstat(fd, &of_rotated) == 0 && current >= 0 && of_rotated.st_ino == status.st_ino;
        files_.push_back({fd, log.begin, static_cast<std::uint64_t>(of_rotated.st_size)});
        if (same) {
            // Rotated just now: what follows it is for the next request.
            ::close(current);
            return;
        }
    }
    if (current >= 0) files_.push_back({current, end(), static_cast<std::uint64_t>(status.st_size)});
}

LogView::~LogView() {
    for (const File& file : files_) ::close(file.fd);
}

const LogView::File* LogView::file_at(std::uint64_t position) const {
    for (const File& file : files_) {
        if (position >= file.begin && position < file.begin + file.size) return &file;
    }
    return nullptr;
}

std::string_view LogView::read(const File& file, std::uint64_t position, std::size_t size) {
    block_.resize(size);
    const auto rest = static_cast<std::size_t>(file.begin + file.size - position);
    const ssize_t got =
        ::pread(file.fd, block_.data(), std::min(size, rest), static_cast<off_t>(position - file.begin));
    return {block_.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

// The start of the first line that begins at or after `position`.
std::uint64_t LogView::line_start_after(const File& file, std::uint64_t position) {
    if (position <= file.begin) return file.begin;
    std::uint64_t at = position - 1;
    while (at < file.begin + file.size) {
        const std::string_view block = read(file, at, block_size);
        if (block.empty()) break;
        if (const std::size_t newline = block.find('\n'); newline != std::string_view::npos)
            return at + newline + 1;
        at += block.size();
    }
    return file.begin + file.size;
}

std::optional<WallTime> LogView::time_at(const File& file, std::uint64_t position) {
    return cri_time(read(file, position, cri_time_length));
}

std::uint64_t LogView::find_time(WallTime since) {
    for (const File& file : files_) {
        std::uint64_t low = file.begin;
        std::uint64_t high = file.begin + file.size;
        while (low < high) {
            const std::uint64_t start = line_start_after(file, low + (high - low) / 2);
            const auto time = start < file.begin + file.size ? time_at(file, start) : std::nullopt;
            if (start >= high || !time || *time >= since) {
                high = low + (high - low) / 2;
            } else {
                low = start + 1;
            }
        }
        const std::uint64_t found = line_start_after(file, low);
        if (found < file.begin + file.size) return found;
    }
    return end();
}

bool LogView::find_last_in(const File& file, std::uint64_t& left, StreamChoice streams,
                           std::uint64_t& found) {
    // From the end, a block at a time; `tail` is the beginning of a line whose rest was in the block behind.
    std::uint64_t at = file.begin + file.size;
    std::string tail;
    while (at > file.begin) {
        const std::size_t size =
            static_cast<std::size_t>(std::min<std::uint64_t>(block_size, at - file.begin));
        std::string text(read(file, at - size, size));
        if (text.size() != size) return true;  // it was cut short under our hands: begin where we are
        at -= size;
        text += tail;
        // Whole lines of `text`, the last one first; its first line may begin further in front.
        std::size_t line_end = text.size();
        while (line_end > 0) {
            const std::size_t newline = line_end >= 2 ? text.rfind('\n', line_end - 2) : std::string::npos;
            const std::size_t start = newline == std::string::npos ? 0 : newline + 1;
            if (start == 0 && at > file.begin) break;
            std::string_view line(text.data() + start, line_end - start);
            const bool whole = line.ends_with('\n');
            if (whole) line.remove_suffix(1);
            const auto parsed = parse_cri(line);
            if (whole && parsed && streams.wants(parsed->stream)) {
                if (!parsed->partial) {
                    if (left == 0) return true;
                    --left;
                }
                found = at + start;
            }
            line_end = start;
        }
        tail = text.substr(0, line_end);
    }
    return false;
}

std::uint64_t LogView::find_last(std::uint64_t count, StreamChoice streams) {
    std::uint64_t found = end();
    if (count == 0) return found;
    for (auto file = files_.rbegin(); file != files_.rend(); ++file) {
        if (find_last_in(*file, count, streams, found)) break;
    }
    return found;
}

void LogView::seek(std::uint64_t position) {
    position_ = std::clamp(position, begin(), end());
    buffer_.clear();
    buffer_used_ = 0;
}

// Nothing when what is left is no whole line.
std::optional<std::string_view> LogView::take_line() {
    while (true) {
        const std::string_view ahead = std::string_view(buffer_).substr(buffer_used_);
        if (const std::size_t newline = ahead.find('\n'); newline != std::string_view::npos) {
            buffer_used_ += newline + 1;
            position_ += newline + 1;
            return ahead.substr(0, newline);
        }
        buffer_.erase(0, buffer_used_);
        buffer_used_ = 0;
        const File* file = file_at(position_ + buffer_.size());
        if (file == nullptr) return std::nullopt;
        const std::string_view more = read(*file, position_ + buffer_.size(), block_size);
        if (more.empty()) return std::nullopt;
        buffer_ += more;
    }
}

std::optional<CriLine> LogView::next(StreamChoice streams) {
    while (const auto line = take_line()) {
        const auto parsed = parse_cri(*line);
        if (!parsed) {
            ++unreadable_;
        } else if (streams.wants(parsed->stream)) {
            return parsed;
        }
    }
    return std::nullopt;
}

}  // namespace pmctl
