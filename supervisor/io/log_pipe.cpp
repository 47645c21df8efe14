#include "supervisor/io/log_pipe.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pmctl {

namespace {

tl::unexpected<Error> failed(const char* what, const std::string& path) {
    return fail(std::string(what) + " '" + path + "': " + std::strerror(errno));
}

// Exactly `count` bytes, which are there, out of `fd` and away.
bool discard(int fd, int nowhere, std::vector<char>& raw, std::size_t count) {
    while (count > 0) {
        ssize_t gone = ::splice(fd, nullptr, nowhere, nullptr, count, SPLICE_F_NONBLOCK);
        if (gone < 0 && errno == EINVAL) gone = ::read(fd, raw.data(), std::min(count, raw.size()));
        if (gone < 0 && errno == EINTR) continue;
        if (gone <= 0) return false;
        count -= static_cast<std::size_t>(gone);
    }
    return true;
}

}  // namespace

Result<std::unique_ptr<LogScratch>> LogScratch::make() {
    std::unique_ptr<LogScratch> scratch(new LogScratch);
    if (::pipe2(scratch->pipe_, O_CLOEXEC | O_NONBLOCK) != 0) return failed("pipe2", "for the logs");
    scratch->nowhere_ = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (scratch->nowhere_ < 0) return failed("open", "/dev/null");
    scratch->raw_.resize(read_size);
    return scratch;
}

LogScratch::~LogScratch() {
    for (const int fd : {pipe_[0], pipe_[1], nowhere_}) {
        if (fd >= 0) ::close(fd);
    }
}

Result<LogPipe> LogPipe::open(std::string path, LogStream stream) {
    if (::mkfifo(path.c_str(), 0600) != 0 && errno != EEXIST) return failed("mkfifo", path);
    // For writing as well: the end of all processes is then no end of file, which would have to be looked at
    // for ever.
    const int fd = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return failed("open", path);
    struct stat status{};
    if (::fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode)) {
        ::close(fd);
        return fail("'" + path + "' is no FIFO: remove it");
    }
    return LogPipe(std::move(path), stream, fd);
}

LogPipe::LogPipe(LogPipe&& other) noexcept
    : path_(std::move(other.path_)), stream_(other.stream_), fd_(std::exchange(other.fd_, -1)) {}

LogPipe::~LogPipe() {
    if (fd_ >= 0) ::close(fd_);
}

Result<int> LogPipe::child_end() const {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return failed("open", path_);
    return fd;
}

Result<std::size_t> LogPipe::pump(LogFile& file, LogScratch& scratch, std::size_t budget, WallTime now) {
    std::size_t moved = 0;
    while (moved < budget) {
        const ssize_t there = ::tee(fd_, scratch.pipe_[1], LogScratch::read_size, SPLICE_F_NONBLOCK);
        if (there < 0 && errno == EINTR) continue;
        if (there <= 0) break;
        const auto count = static_cast<std::size_t>(there);
        std::size_t got = 0;
        while (got < count) {
            const ssize_t piece = ::read(scratch.pipe_[0], scratch.raw_.data() + got, count - got);
            if (piece < 0 && errno == EINTR) continue;
            if (piece <= 0) return failed("read", path_);
            got += static_cast<std::size_t>(piece);
        }
        scratch.lines_.clear();
        append_cri({scratch.raw_.data(), count}, now, stream_, scratch.lines_);
        if (auto written = file.append(scratch.lines_); !written) return tl::unexpected(written.error());
        if (!discard(fd_, scratch.nowhere_, scratch.raw_, count)) return failed("read", path_);
        moved += count;
    }
    // Lines of a byte each made it large once: that is not kept.
    constexpr std::size_t usual = LogScratch::read_size * 4;
    if (scratch.lines_.capacity() > usual) std::string().swap(scratch.lines_);
    return moved;
}

void LogPipe::remove() {
    ::unlink(path_.c_str());
}

}  // namespace pmctl
