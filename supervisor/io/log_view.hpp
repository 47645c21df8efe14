// One instance's log as one long text, through its rotations: finding a place in it, and reading on from
// there. It is what there was when the view was made; no descriptor is kept between two calls, so a thousand
// views are no trouble.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/io/cri_format.hpp"

namespace pmctl {

struct StreamChoice {
    bool out = true;
    bool err = true;

    bool wants(LogStream stream) const { return stream == LogStream::Out ? out : err; }
};

class LogView {
  public:
    // No line of ours is longer: what is, is none.
    static constexpr std::size_t longest_line = std::size_t{128} << 10;

    // An instance that has written nothing has an empty log.
    explicit LogView(std::string folder);

    // Why it cannot be looked at, or not further, "" usually: no descriptor is left, say. Nothing is passed
    // over for that.
    const std::string& fault() const { return fault_; }

    std::uint64_t begin() const { return files_.empty() ? 0 : files_.front().begin; }
    std::uint64_t end() const { return files_.empty() ? 0 : files_.back().end(); }

    // The position of the first line at or after `since`, as far as lines are in the order of time (a clock
    // may have been set back).
    std::uint64_t find_time(WallTime since) const;
    // The position from which on there are the last `count` lines of these streams; a last piece that goes on
    // some day is a line too.
    std::uint64_t find_last(std::uint64_t count, StreamChoice streams) const;

    // Reading begins here. A position that is gone begins at what is left; one behind the end at the
    // beginning, since it belongs to another log, which this one replaced.
    void seek(std::uint64_t position);
    // The next line of these streams; nothing when there is none that is whole. Its text holds until the next
    // call.
    std::optional<CriLine> next(StreamChoice streams);
    // Behind the last line that next() gave or passed over.
    std::uint64_t position() const { return position_; }
    std::uint64_t unreadable() const { return unreadable_; }  // lines that are none
    std::uint64_t lost() const { return lost_; }              // bytes that were removed before they were read
    bool replaced() const { return replaced_; }               // the position belonged to another log

  private:
    struct File {
        std::uint64_t begin = 0;
        std::uint64_t size = 0;
        bool is_current = false;
        dev_t device = 0;
        ino_t inode = 0;

        std::uint64_t end() const { return begin + size; }
    };
    struct TimedLine {
        std::uint64_t position = 0;
        WallTime at{};
    };
    class Reader;

    void add_current();
    int open(const File& file) const;
    static std::optional<TimedLine> first_timed(const Reader& reader, std::uint64_t position);
    static std::uint64_t find_time_in(const Reader& reader, WallTime since);
    bool read_ahead();
    std::optional<std::string_view> take_line();

    std::string folder_;
    std::string fault_;
    std::vector<File> files_;  // oldest first; there may be gaps between them, no overlaps
    std::size_t file_ = 0;     // that position_ lies in
    std::uint64_t position_ = 0;
    std::uint64_t unreadable_ = 0;
    std::uint64_t lost_ = 0;
    bool replaced_ = false;
    bool in_long_line_ = false;  // its beginning was passed over
    std::string buffer_;         // read ahead from position_ on
    std::size_t buffer_used_ = 0;
    std::size_t read_size_ = 0;  // of the last read ahead
};

}  // namespace pmctl
