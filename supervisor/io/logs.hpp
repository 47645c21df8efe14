// All instances' output: a pair of FIFOs and a log file for each log name, pumped by the loop in fair shares.
// What is in the files is read by log_reader.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "shared/result.hpp"
#include "supervisor/core/config.hpp"
#include "supervisor/io/log_pipe.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

class Logs {
  public:
    // What a process is to have as its standard output and error; they stay the log's.
    struct ChildEnds {
        int out = -1;
        int err = -1;
    };
    struct Hooks {
        // Writing a log fails, or works again: said once each time, with a sentence.
        std::function<void(const std::string& log_name, const std::string& text)> trouble;
        // Something was written; at most once a turn of the loop.
        std::function<void()> written;
    };

    // Makes the folders. One noisy stream gets this much of a turn of the loop, then the others have theirs.
    static constexpr std::size_t share = std::size_t{256} << 10;
    static Result<std::unique_ptr<Logs>> make(Loop& loop, std::string fifo_folder, std::string log_folder,
                                              Hooks hooks);
    ~Logs();
    Logs(const Logs&) = delete;
    Logs& operator=(const Logs&) = delete;

    // The FIFOs are made the first time, and serve all runs of this name. What an earlier supervisor left in
    // them is the first to be logged.
    Result<ChildEnds> open_for(const std::string& log_name, const LogSettings& settings);
    // The same for a process of an earlier supervisor, which holds them, under their names or without.
    Result<void> adopt(const std::string& log_name, const LogSettings& settings, pid_t writer);
    void set(const std::string& log_name, const LogSettings& settings);
    // What is in the FIFOs now goes into the file: a run has ended, its last lines come before that is told.
    void drain(const std::string& log_name);
    // The same of all names.
    void drain_all();
    // No further run will come. The log files stay.
    void close(const std::string& log_name);
    // No run of any name is left, and the loop has ended: no FIFO stays, and not their folder. What is in
    // them is to be drained before.
    void close_all();

    // Our ends of all FIFOs.
    std::vector<int> descriptors() const;
    // Bytes of output of all instances that are in their logs.
    std::uint64_t bytes() const { return bytes_; }
    // Position behind the last byte of a log that was written to; nothing where that is not known. Reading
    // can be spared where a reader is there already.
    std::optional<std::uint64_t> end_of(const std::string& log_name) const;

    std::string folder_of(const std::string& log_name) const { return log_folder_ + "/" + log_name; }
    const std::string& folder() const { return log_folder_; }

  private:
    struct Entry;

    Logs(Loop& loop, std::string fifo_folder, std::string log_folder, Hooks hooks);
    // `writer`: 0, or one that holds the FIFOs.
    Result<Entry*> entry_for(const std::string& log_name, const LogSettings& settings, pid_t writer);
    Result<void> mend_seam(Entry& entry);
    Result<void> watch(Entry& entry);
    void drain(Entry& entry);
    void pump(Entry& entry, LogPipe& pipe, std::size_t budget);
    Result<void> pump_once(Entry& entry, LogPipe& pipe, std::size_t budget);
    void failed(Entry& entry, const std::string& reason);
    void retry();
    void tell_written();

    Loop& loop_;
    std::string fifo_folder_;
    std::string log_folder_;
    Hooks hooks_;
    std::unique_ptr<LogScratch> scratch_;
    std::unordered_map<std::string, std::unique_ptr<Entry>> entries_;
    std::vector<Entry*> blocked_;  // their disk takes nothing at the moment
    Timer retry_;
    Duration retry_delay_{};
    std::uint64_t bytes_ = 0;
    // Whether hooks_.written is to be called at this turn's end; outlives this object where the turn does.
    std::shared_ptr<bool> written_ = std::make_shared<bool>(false);
};

}  // namespace pmctl
