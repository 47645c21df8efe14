// Health checks that are a program: healthy if it ends with 0 within its time. Each is a process group of its
// own; what it prints last is the reason. How often checks are made is the Supervisor's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "supervisor/core/check_result.hpp"
#include "supervisor/effects.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/process_table.hpp"
#include "supervisor/io/spawn.hpp"

namespace pmctl {

// The last line that has something on it, of an output that comes in pieces; no longer than a message may be.
class LastLine {
  public:
    static constexpr std::size_t longest = 1024;  // bytes; the rest of a line is left out

    void add(std::string_view piece);
    // Control characters as spaces: it goes to terminals.
    std::string text() const;

  private:
    std::string current_;
    std::string last_;
};

class ExecChecks {
  public:
    using Done = std::function<void(RunNumber, const CheckResult&)>;

    // `spawner` and `table` outlive this; the table calls no more once the loop has ended.
    static Result<std::unique_ptr<ExecChecks>> make(Loop& loop, Spawner& spawner, ProcessTable& table,
                                                    Done done);
    ~ExecChecks();
    ExecChecks(const ExecChecks&) = delete;
    ExecChecks& operator=(const ExecChecks&) = delete;

    // Runs request.exec; `done` is called exactly once, from the loop, unless the run is forgotten. One that
    // takes longer than request.timeout is killed with its whole group. An earlier check of the same run is
    // forgotten.
    void start(const CheckRequest& request);
    // The checks of this run are killed, and not answered.
    void forget(RunNumber run);
    std::size_t open() const { return checks_.size(); }

  private:
    using Number = std::uint64_t;
    struct Check {
        RunNumber run = 0;
        bool forgotten = false;
        bool timed_out = false;
        pid_t pid = -1;
        int output = -1;
        Duration timeout{};
        TimePoint started;
        LastLine said;
    };

    ExecChecks(Loop& loop, Spawner& spawner, ProcessTable& table, Done done);
    void read_output(Number number);
    void close_output(Check& check);
    void on_timer();
    void arm();
    void on_end(Number number, const ExitStatus& status);
    void answer_later(RunNumber run, CheckResult result);

    Loop& loop_;
    Spawner& spawner_;
    ProcessTable& table_;
    Done done_;
    int timer_ = -1;
    Number last_number_ = 0;
    std::map<Number, Check> checks_;
    std::multimap<TimePoint, Number> deadlines_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmctl
