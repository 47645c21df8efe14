#include "supervisor/io/log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "supervisor/io/cri_format.hpp"

namespace pmctl {

namespace {

constexpr std::size_t digits_in_name = 20;
constexpr std::string_view suffix = ".log";

tl::unexpected<Error> failed(const char* what, const std::string& path) {
    return fail(std::string(what) + " '" + path + "': " + std::strerror(errno));
}

std::string name_of(std::uint64_t begin) {
    const std::string digits = std::to_string(begin);
    return std::string(digits_in_name - digits.size(), '0') + digits + std::string(suffix);
}

// A write that a kill cut in the middle left a torn last line. One without text is taken back, any other is
// ended, so that the next one is whole.
Result<void> mend_end(int fd, const std::string& path, std::uint64_t& size) {
    std::array<char, cri_prefix_length + 1> last{};
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(size, last.size()));
    if (::pread(fd, last.data(), length, static_cast<off_t>(size - length)) != static_cast<ssize_t>(length))
        return failed("read", path);
    const std::string_view text(last.data(), length);
    if (text.empty() || text.ends_with('\n')) return {};
    const std::size_t newline = text.rfind('\n');
    const std::size_t torn = newline == std::string_view::npos ? length : length - newline - 1;
    if (torn <= cri_prefix_length && (newline != std::string_view::npos || length == size)) {
        if (::ftruncate(fd, static_cast<off_t>(size - torn)) != 0) return failed("ftruncate", path);
        size -= torn;
        return {};
    }
    if (::write(fd, "\n", 1) != 1) return failed("write", path);
    ++size;
    return {};
}

}  // namespace

std::string current_log_path(const std::string& folder) {
    return folder + "/current";
}

std::string rotated_log_path(const std::string& folder, std::uint64_t begin) {
    return folder + "/" + name_of(begin);
}

Result<std::vector<RotatedLog>> rotated_logs(const std::string& folder) {
    std::vector<RotatedLog> found;
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (name.size() != digits_in_name + suffix.size() || !name.ends_with(suffix)) continue;
        RotatedLog log;
        const auto [end, failure] = std::from_chars(name.data(), name.data() + digits_in_name, log.begin);
        if (failure != std::errc{} || end != name.data() + digits_in_name) continue;
        std::error_code gone;
        log.size = entry->file_size(gone);
        if (gone == std::errc::no_such_file_or_directory) continue;  // removed meanwhile
        if (gone) return fail("'" + entry->path().string() + "': " + gone.message());
        found.push_back(log);
    }
    if (error && error != std::errc::no_such_file_or_directory)
        return fail("'" + folder + "': " + error.message());
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    return found;
}

LogFile::LogFile(std::string folder, LogSettings settings)
    : folder_(std::move(folder)), settings_(settings) {}

LogFile::~LogFile() {
    close();
}

void LogFile::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<void> LogFile::open() {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(folder_).parent_path(), error);
    if (::mkdir(folder_.c_str(), 0750) != 0 && errno != EEXIST) return failed("mkdir", folder_);
    const std::string path = current_log_path(folder_);
    const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) return failed("open", path);
    auto opened = [&]() -> Result<void> {
        struct stat status{};
        if (::fstat(fd, &status) != 0) return failed("fstat", path);
        if (!S_ISREG(status.st_mode)) return fail("'" + path + "' is no plain file: remove it");
        auto size = static_cast<std::uint64_t>(status.st_size);
        if (auto mended = mend_end(fd, path, size); !mended) return mended;
        const auto rotated = rotated_logs(folder_);
        if (!rotated) return tl::unexpected(rotated.error());
        std::uint64_t begin = rotated->empty() ? 0 : rotated->back().end();
        if (size == 0 && begin < end()) {
            // Somebody removed or emptied what we know to have written.
            if (auto marked = mark(end()); !marked) return marked;
            begin = end();
        }
        begin_ = begin;
        size_ = size;
        return {};
    }();
    if (!opened) {
        ::close(fd);
        return opened;
    }
    fd_ = fd;
    return {};
}

Result<void> LogFile::mark(std::uint64_t position) const {
    const std::string path = rotated_log_path(folder_, position);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) return failed("open", path);
    ::close(fd);
    return {};
}

Result<void> LogFile::rotate() {
    const std::string from = current_log_path(folder_);
    const std::string to = rotated_log_path(folder_, begin_);
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) return failed("rename", from);
    close();
    // Before anything is removed: a position that nobody knows any more would be given twice.
    if (settings_.max_files == 0) {
        if (auto marked = mark(end()); !marked) return marked;
    }
    remove_surplus();
    return open();
}

void LogFile::remove_surplus() const {
    const auto rotated = rotated_logs(folder_);
    if (!rotated) return;  // the next rotation does it
    const std::size_t keep = std::max<std::size_t>(settings_.max_files, 1);
    for (std::size_t i = 0; i + keep < rotated->size(); ++i)
        ::unlink(rotated_log_path(folder_, (*rotated)[i].begin).c_str());
}

bool LogFile::is_still_there() const {
    struct stat status{};
    return fd_ >= 0 && ::fstat(fd_, &status) == 0 && status.st_nlink > 0 &&
           static_cast<std::uint64_t>(status.st_size) == size_;
}

LogFile::Appended LogFile::append(std::string_view lines) {
    if (!is_still_there()) {
        close();
        if (auto opened = open(); !opened) return {0, opened};
    }
    if (size_ > 0 && size_ + lines.size() > settings_.max_size) {
        if (auto rotated = rotate(); !rotated) return {0, rotated};
    }
    std::size_t done = 0;
    while (done < lines.size()) {
        const ssize_t count = ::write(fd_, lines.data() + done, lines.size() - done);
        if (count > 0) {
            done += static_cast<std::size_t>(count);
            continue;
        }
        if (count < 0 && errno == EINTR) continue;
        if (count == 0) errno = ENOSPC;
        Result<void> outcome = failed("write", current_log_path(folder_));
        const std::size_t last_newline = done == 0 ? std::string_view::npos : lines.rfind('\n', done - 1);
        const std::size_t whole = last_newline == std::string_view::npos ? 0 : last_newline + 1;
        // Where even that fails, the next open ends the torn line.
        if (whole < done && ::ftruncate(fd_, static_cast<off_t>(size_ + whole)) != 0) close();
        size_ += whole;
        return {whole, std::move(outcome)};
    }
    size_ += done;
    return {done, {}};
}

Result<void> LogFile::cut(std::size_t bytes) {
    const std::string path = current_log_path(folder_);
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return failed("stat", path);
    if (::truncate(path.c_str(), status.st_size - static_cast<off_t>(bytes)) != 0)
        return failed("truncate", path);
    return {};
}

}  // namespace pmctl
