// One instance's log on disk: `current` and what it was rotated to. Writing alone; reading is
// log_reader.hpp's.
//
// A rotated file is named by the position of its first byte in the whole log, 20 digits and ".log", so that
// the order and every byte's place are certain through all rotations: positions only rise. `current` begins
// where the newest rotated file ends. Where nothing is left that says so (files were removed, or none are to
// be kept), an empty rotated file marks the place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/result.hpp"
#include "supervisor/core/config.hpp"

namespace pmctl {

struct RotatedLog {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;

    std::uint64_t end() const { return begin + size; }
};
// Oldest first; empty where there is no such folder. Error: it cannot be read, for want of a descriptor say:
// what is there must not be taken for nothing.
Result<std::vector<RotatedLog>> rotated_logs(const std::string& folder);
std::string current_log_path(const std::string& folder);
std::string rotated_log_path(const std::string& folder, std::uint64_t begin);

class LogFile {
  public:
    // Nothing is opened or made before the first byte is written.
    LogFile(std::string folder, LogSettings settings);
    ~LogFile();
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;

    const std::string& folder() const { return folder_; }
    void set(const LogSettings& settings) { settings_ = settings; }
    // What one append may bring at most, so that no file is larger than the settings say.
    std::uint64_t largest_append() const { return settings_.max_size; }

    struct Appended {
        std::size_t size = 0;  // so much of it is in the log for good: whole lines
        Result<void> outcome;  // "write '/var/lib/pmctl/logs/web/current': No space left on device"
    };
    // `lines` are whole ones. Where the disk takes only a part, a torn line at its end is taken back: going
    // on from Appended::size leaves no trace of the trouble.
    Appended append(std::string_view lines);
    // Takes the last bytes of `current` back, which a kill left there without a newline.
    Result<void> cut(std::size_t bytes);
    // Position behind the last byte, where this object has written or looked; 0 before.
    std::uint64_t end() const { return begin_ + size_; }

  private:
    Result<void> open();
    Result<void> rotate();
    Result<void> mark(std::uint64_t position) const;
    void remove_surplus() const;
    bool is_still_there() const;
    void close();

    std::string folder_;
    LogSettings settings_;
    int fd_ = -1;
    std::uint64_t begin_ = 0;  // position of current's first byte
    std::uint64_t size_ = 0;   // of current
};

}  // namespace pmctl
