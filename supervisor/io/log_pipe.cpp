#include "supervisor/io/log_pipe.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace pmctl {

namespace {

// By its path nobody else reaches it: its folder is the owner's alone.
constexpr mode_t fifo_mode = 0622;

tl::unexpected<Error> failed(const char* what, const std::string& path) {
    return fail(std::string(what) + " '" + path + "': " + std::strerror(errno));
}

}  // namespace

Result<std::unique_ptr<LogScratch>> LogScratch::make() {
    std::unique_ptr<LogScratch> scratch(new LogScratch);
    if (::pipe2(scratch->pipe_, O_CLOEXEC | O_NONBLOCK) != 0) return failed("pipe2", "for the logs");
    scratch->nowhere_ = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (scratch->nowhere_ < 0) return failed("open", "/dev/null");
    scratch->raw_.resize(read_size);
    scratch->lines_.resize(batch_size);
    return scratch;
}

LogScratch::~LogScratch() {
    for (const int fd : {pipe_[0], pipe_[1], nowhere_}) {
        if (fd >= 0) ::close(fd);
    }
}

Result<LogPipe> LogPipe::open(std::string path, LogStream stream) {
    const bool is_new = ::mkfifo(path.c_str(), 0600) == 0;
    if (!is_new && errno != EEXIST) return failed("mkfifo", path);
    // For writing as well: the end of all processes is then no end of file, which would have to be looked at
    // for ever; and so that the open itself never waits (fifo(7)).
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return failed("open", path);
    struct stat status{};
    if (::fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode)) {
        ::close(fd);
        return fail("'" + path + "' is no FIFO: remove it");
    }
    // A program of another user may open /dev/stdout by its name, and that asks the FIFO's own mode.
    if ((status.st_mode & 0777) != fifo_mode) ::fchmod(fd, fifo_mode);
    return LogPipe(std::move(path), stream, fd, is_new);
}

Result<LogPipe> LogPipe::open_of(std::string path, LogStream stream, pid_t writer) {
    const std::string own =
        "/proc/" + std::to_string(writer) + "/fd/" + (stream == LogStream::Out ? "1" : "2");
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink(own.c_str(), target.data(), target.size());
    const std::string_view held(target.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    // As proc_pid_fd(5) shows what has no name any longer.
    if (held != path + " (deleted)") return open(std::move(path), stream);
    const int fd = ::open(own.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return failed("open", own);
    return LogPipe(std::move(path), stream, fd, false);
}

LogPipe::LogPipe(LogPipe&& other) noexcept
    : path_(std::move(other.path_)),
      stream_(other.stream_),
      fd_(std::exchange(other.fd_, -1)),
      is_new_(other.is_new_) {}

LogPipe::~LogPipe() {
    if (fd_ >= 0) ::close(fd_);
}

Result<int> LogPipe::child_end() const {
    if (::fcntl(fd_, F_SETFL, 0) < 0) return failed("fcntl", path_);
    return fd_;
}

Result<std::string_view> LogPipe::look(LogScratch& scratch) const {
    ssize_t there = 0;
    do there = ::tee(fd_, scratch.pipe_[1], LogScratch::read_size, SPLICE_F_NONBLOCK);
    while (there < 0 && errno == EINTR);
    if (there < 0 && errno != EAGAIN) return failed("tee", path_);
    const auto count = static_cast<std::size_t>(std::max<ssize_t>(there, 0));
    std::size_t got = 0;
    while (got < count) {
        const ssize_t piece = ::read(scratch.pipe_[0], scratch.raw_.data() + got, count - got);
        if (piece < 0 && errno == EINTR) continue;
        if (piece <= 0) return failed("read", path_);
        got += static_cast<std::size_t>(piece);
    }
    return std::string_view(scratch.raw_.data(), count);
}

Result<void> LogPipe::drop(LogScratch& scratch, std::size_t count) {
    while (count > 0) {
        ssize_t gone = ::splice(fd_, nullptr, scratch.nowhere_, nullptr, count, SPLICE_F_NONBLOCK);
        if (gone < 0 && errno == EINTR) continue;
        // They are in the log: what stayed here would be there twice. They were seen in the FIFO, which has
        // no other reader, so this never waits; `raw_` is still being read from.
        std::array<char, 4096> away;  // NOLINT(cppcoreguidelines-pro-type-member-init): read into
        if (gone <= 0) gone = ::read(fd_, away.data(), std::min(count, away.size()));
        if (gone < 0 && errno == EINTR) continue;
        if (gone <= 0) return failed("splice and read", path_);
        count -= static_cast<std::size_t>(gone);
    }
    return {};
}

LogPipe::Pumped LogPipe::pump(LogFile& file, LogScratch& scratch, std::size_t budget, WallTime now) {
    Pumped pumped;
    while (pumped.size < budget) {
        const auto looked = look(scratch);
        if (!looked) return {pumped.size, tl::unexpected(looked.error())};
        std::string_view raw = *looked;
        while (!raw.empty()) {
            const std::size_t room = std::min<std::uint64_t>(scratch.lines_.size(), file.largest_append());
            const CriBatch batch = encode_cri(raw, now, stream_, {scratch.lines_.data(), room});
            const std::string_view lines(scratch.lines_.data(), batch.size);
            auto [size, outcome] = file.append(lines);
            const std::size_t taken = outcome ? batch.taken : raw_size(lines.substr(0, size));
            pumped.size += taken;
            if (auto dropped = drop(scratch, taken); !dropped) return {pumped.size, dropped};
            if (!outcome) return {pumped.size, std::move(outcome)};
            raw.remove_prefix(taken);
            now += Duration(1);
        }
        if (looked->size() < LogScratch::read_size) break;
    }
    return pumped;
}

void LogPipe::remove() {
    ::unlink(path_.c_str());
}

}  // namespace pmctl
