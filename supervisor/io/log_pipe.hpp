// One stream of one instance: the FIFO that its processes write into, and the supervisor's end of it. The
// processes hold it open for reading and writing themselves, so a dead supervisor costs them neither SIGPIPE
// nor output. They share the supervisor's open file description, which spares each start two opens: nothing
// here relies on its O_NONBLOCK, tee(2) and splice(2) have a flag of their own.
//
// Look first, consume after: what is in the FIFO is duplicated by tee(2), written to the log, and taken out
// of the FIFO only then. A kill between the two repeats some lines and loses none; log_seam.hpp tells which.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/result.hpp"
#include "shared/time.hpp"
#include "supervisor/io/cri_format.hpp"
#include "supervisor/io/log_file.hpp"

namespace pmctl {

// What all pipes share, since one is pumped at a time: buffers and the private pipe that tee fills.
class LogScratch {
  public:
    static constexpr std::size_t read_size = std::size_t{64} << 10;
    // Lines that are written at once: what one read brings, but for very short ones.
    static constexpr std::size_t batch_size = std::size_t{256} << 10;

    static Result<std::unique_ptr<LogScratch>> make();
    ~LogScratch();
    LogScratch(const LogScratch&) = delete;
    LogScratch& operator=(const LogScratch&) = delete;

  private:
    friend class LogPipe;
    LogScratch() = default;

    int pipe_[2] = {-1, -1};
    int nowhere_ = -1;  // /dev/null
    std::vector<char> raw_;
    std::vector<char> lines_;
};

class LogPipe {
  public:
    // Makes the FIFO (0600) where there is none. Error: Failed with the step and the path.
    static Result<LogPipe> open(std::string path, LogStream stream);
    // The same for a process that an earlier supervisor gave it to. Where the FIFO itself was removed since,
    // as the folder of a service that is stopped is, the one that the process holds goes on without a name.
    static Result<LogPipe> open_of(std::string path, LogStream stream, pid_t writer);
    ~LogPipe();
    LogPipe(LogPipe&& other) noexcept;
    LogPipe& operator=(LogPipe&&) = delete;

    int fd() const { return fd_; }
    LogStream stream() const { return stream_; }
    // The FIFO was made just now: nothing can wait in it.
    bool is_new() const { return is_new_; }
    // What a new process gets as its stream: this same descriptor, without flags that an earlier one may have
    // set on it, O_NONBLOCK say. It stays the pipe's.
    Result<int> child_end() const;
    struct Pumped {
        std::size_t size = 0;  // bytes that went from the FIFO into the log
        Result<void> outcome;  // on error all that is not in the log is still in the FIFO
    };
    // Moves at most `budget` bytes, and what is left of one read. Each read gets a time of its own, a
    // nanosecond later than the last: log_seam.hpp needs to tell them apart.
    Pumped pump(LogFile& file, LogScratch& scratch, std::size_t budget, WallTime now);
    // What waits in the FIFO, up to one read of it; it stays there.
    Result<std::string_view> look(LogScratch& scratch) const;
    // Takes the first `count` bytes out, which are there.
    Result<void> drop(LogScratch& scratch, std::size_t count);
    void remove();  // the FIFO itself

  private:
    LogPipe(std::string path, LogStream stream, int fd, bool is_new)
        : path_(std::move(path)), stream_(stream), fd_(fd), is_new_(is_new) {}

    std::string path_;
    LogStream stream_;
    int fd_;
    bool is_new_;
};

}  // namespace pmctl
