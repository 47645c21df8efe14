// One instance's log as one long text, through its rotations: finding a place in it, and reading on from
// there.
#pragma once

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
    // Opens what there is at this moment; an instance that has written nothing has an empty log.
    explicit LogView(const std::string& folder);
    ~LogView();
    LogView(const LogView&) = delete;
    LogView& operator=(const LogView&) = delete;

    std::uint64_t begin() const { return files_.empty() ? 0 : files_.front().begin; }
    std::uint64_t end() const { return files_.empty() ? 0 : files_.back().begin + files_.back().size; }

    // The position of the first line at or after `since`. Lines are in the order of time.
    std::uint64_t find_time(WallTime since);
    // The position from which on there are the last `count` whole lines of these streams.
    std::uint64_t find_last(std::uint64_t count, StreamChoice streams);

    // Reading begins here; a position that is gone begins at what is left, a wrong one at the end.
    void seek(std::uint64_t position);
    // The next line of these streams; nothing when there is none that is whole. Its text holds until the next
    // call.
    std::optional<CriLine> next(StreamChoice streams);
    // Behind the last line that next() gave or passed over.
    std::uint64_t position() const { return position_; }
    std::uint64_t unreadable() const { return unreadable_; }  // lines that are none

  private:
    struct File {
        int fd = -1;
        std::uint64_t begin = 0;
        std::uint64_t size = 0;
    };

    const File* file_at(std::uint64_t position) const;
    // Up to `size` bytes at `position` of one file, less where it ends.
    std::string_view read(const File& file, std::uint64_t position, std::size_t size);
    std::uint64_t line_start_after(const File& file, std::uint64_t position);
    std::optional<WallTime> time_at(const File& file, std::uint64_t position);
    bool find_last_in(const File& file, std::uint64_t& left, StreamChoice streams, std::uint64_t& found);
    std::optional<std::string_view> take_line();

    std::vector<File> files_;  // oldest first
    std::uint64_t position_ = 0;
    std::uint64_t unreadable_ = 0;
    std::vector<char> block_;  // of find_*
    std::string buffer_;       // read ahead from position_ on
    std::size_t buffer_used_ = 0;
};

}  // namespace pmctl
