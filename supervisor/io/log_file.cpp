#include "supervisor/io/log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

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

// A write that a kill cut in the middle left a torn last line: it is ended, so that the next one is whole.
Result<void> end_torn_line(int fd, const std::string& path, std::uint64_t& size) {
    char last = '\n';
    if (size == 0 || ::pread(fd, &last, 1, static_cast<off_t>(size - 1)) != 1 || last == '\n') return {};
    if (::write(fd, "\n", 1) != 1) return failed("write", path);
    ++size;
    return {};
}

}  // namespace

std::vector<RotatedLog> rotated_logs(const std::string& folder) {
    std::vector<RotatedLog> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        const std::string name = entry.path().filename();
        if (name.size() != digits_in_name + suffix.size() || !name.ends_with(suffix)) continue;
        RotatedLog log;
        const auto [end, failure] = std::from_chars(name.data(), name.data() + digits_in_name, log.begin);
        if (failure != std::errc{} || end != name.data() + digits_in_name) continue;
        log.size = entry.file_size(error);
        if (error) continue;  // removed meanwhile
        log.path = entry.path();
        found.push_back(std::move(log));
    }
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
    const std::string path = folder_ + "/current";
    const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) return failed("open", path);
    struct stat status{};
    if (::fstat(fd, &status) != 0) {
        ::close(fd);
        return failed("fstat", path);
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
    const auto rotated = rotated_logs(folder_);
    begin_ = rotated.empty() ? 0 : rotated.back().begin + rotated.back().size;
    if (auto ended = end_torn_line(fd, path, size_); !ended) {
        ::close(fd);
        return ended;
    }
    fd_ = fd;
    return {};
}

Result<void> LogFile::rotate() {
    const std::string from = folder_ + "/current";
    const std::string to = folder_ + "/" + name_of(begin_);
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) return failed("rename", from);
    close();
    remove_surplus();
    return open();
}

void LogFile::remove_surplus() {
    const auto rotated = rotated_logs(folder_);
    // One is kept in any case: its name says where the next begins.
    const std::size_t keep = std::max<std::size_t>(settings_.max_files, 1);
    for (std::size_t i = 0; i + keep < rotated.size(); ++i) ::unlink(rotated[i].path.c_str());
}

Result<void> LogFile::append(std::string_view lines) {
    if (fd_ < 0) {
        if (auto opened = open(); !opened) return opened;
    }
    if (size_ > 0 && size_ + lines.size() > settings_.max_size) {
        if (auto rotated = rotate(); !rotated) return rotated;
    }
    std::size_t done = 0;
    while (done < lines.size()) {
        const ssize_t count = ::write(fd_, lines.data() + done, lines.size() - done);
        if (count > 0) {
            done += static_cast<std::size_t>(count);
            continue;
        }
        if (count < 0 && errno == EINTR) continue;
        const int reason = count < 0 ? errno : ENOSPC;
        if (done > 0 && ::ftruncate(fd_, static_cast<off_t>(size_)) != 0)
            size_ += done;  // it stays then, torn
        close();
        errno = reason;
        return failed("write", folder_ + "/current");
    }
    size_ += done;
    return {};
}

}  // namespace pmctl
