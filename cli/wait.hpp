// When is what was asked for done, and when has it failed? Rows in, verdicts out; pure. Asking the supervisor
// and the limit on the wait are follow's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/protocol.hpp"

namespace pmctl {

enum class Goal { Started, Restarted, Stopped, Halted, Converged, Healthy };
enum class Verdict { Open, Done, Failed };

// `run_before`: the run that there was when it was asked for.
//
//               Done                                 Failed
//   Started     Running and settled, or completed    stuck by a later run, or with no process; told to stop
//   Restarted   the same, by a later run             the same; its rolling update failed
//   Stopped     no process, and wanted so            KILL did not end it; told to start
//   Halted      no process                           never
//   Converged   settled                              stuck
//   Healthy     Running                              never: it may heal
Verdict judge(Goal goal, const StatusRow& row, std::uint64_t run_before);
// The same for one that ceased to exist.
Verdict judge_gone(Goal goal);

class Waiting {
  public:
    struct Item {
        std::string name;
        std::uint64_t run_before = 0;
        Verdict verdict = Verdict::Open;
        bool gone = false;
        StatusRow row;  // as last seen
    };

    explicit Waiting(Goal goal) : goal_(goal) {}
    void add(std::string name, std::uint64_t run_before);
    // The indices of those that were decided by this.
    std::vector<std::size_t> update(const StatusReply& reply);

    const std::vector<Item>& items() const { return items_; }
    bool is_over() const { return open_ == 0; }
    bool has_failed() const;
    std::vector<std::string> names() const;
    std::vector<std::string> open_names() const;
    std::vector<StatusRow> rows() const;  // of those that are still there

  private:
    Item* find(const std::string& name);

    Goal goal_;
    std::vector<Item> items_;  // sorted by name
    std::size_t open_ = 0;
};

}  // namespace pmctl
