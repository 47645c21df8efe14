// One instance's log on disk: `current` and what it was rotated to. Writing alone; reading is
// log_reader.hpp's.
//
// A rotated file is named by the position of its first byte in the whole log, 20 digits and ".log", so that
// the order and every byte's place are certain through all rotations: positions only rise. `current` begins
// where the newest rotated file ends.
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
    std::string path;
};
// Oldest first; empty where there is no such folder.
std::vector<RotatedLog> rotated_logs(const std::string& folder);

class LogFile {
  public:
    // Nothing is opened or made before the first byte is written.
    LogFile(std::string folder, LogSettings settings);
    ~LogFile();
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;

    void set(const LogSettings& settings) { settings_ = settings; }
    // All of `lines` or nothing: where the disk takes only a part, that is taken back, and the same is to be
    // tried again later. Error: "write '/var/lib/pmctl/logs/web/current': No space left on device".
    Result<void> append(std::string_view lines);
    // Closed until the next byte: descriptors are few.
    void close();

  private:
    Result<void> open();
    Result<void> rotate();
    void remove_surplus();

    std::string folder_;
    LogSettings settings_;
    int fd_ = -1;
    std::uint64_t begin_ = 0;  // position of current's first byte
    std::uint64_t size_ = 0;   // of current
};

}  // namespace pmctl
