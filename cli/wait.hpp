// When is what was asked for done, and when has it failed? Rows in, verdicts out; pure. Asking the supervisor
// and the limit on the wait are follow's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/protocol.hpp"

namespace pmctl {

enum class Goal { Started, Restarted, Stopped, Halted, Converged, Healthy, Well };
enum class Verdict { Open, Done, Failed };

// `run_before`: the run that there was when it was asked for.
//
//               Done                                 Failed
//   Started     Running and settled, or completed    stuck by a later run, or with no process; told to stop
//   Restarted   the same, by a later run             the same; its rolling update failed
//   Stopped     no process, and wanted so            KILL did not end it; told to start
//   Halted      no process                           never
//   Converged   settled                              stuck
//   Healthy     Running                              completed: it will not run again
//   Well        Running, or completed                never: it may heal
Verdict judge(Goal goal, const StatusRow& row, std::uint64_t run_before);
// As it is to be: it runs, or it ran, ended well, and is not to be started again.
bool is_up(const StatusRow& row);
// The same for one that ceased to exist.
Verdict judge_gone(Goal goal);

class Waiting {
  public:
    struct Item {
        std::string name;
        std::uint64_t run_before = 0;
        Verdict verdict = Verdict::Open;
        bool gone = false;
        bool under_way = false;  // when it was asked for: a change of its state is still to come
        StatusRow row;           // as last seen
    };

    explicit Waiting(Goal goal) : goal_(goal) {}
    void add(std::string name, std::uint64_t run_before);
    // All that an action was about.
    void add(const ActionReply& reply);
    // The indices of those that were decided by this.
    std::vector<std::size_t> update(const StatusReply& reply);

    const std::vector<Item>& items() const { return items_; }
    bool is_over() const { return open_ == 0; }
    bool has_failed() const;
    // The generation of the action's reply, after which it tells of changes; 0: there was none.
    std::uint64_t asked_at() const { return asked_at_; }
    std::vector<std::string> names_at_rest() const;  // those that were not under way
    std::vector<std::string> names() const;
    std::vector<std::string> open_names() const;
    std::vector<StatusRow> rows() const;  // of those that are still there

  private:
    Item* find(const std::string& name);
    void add(Item item);

    Goal goal_;
    std::vector<Item> items_;  // sorted by name
    std::size_t open_ = 0;
    std::uint64_t asked_at_ = 0;
};

}  // namespace pmctl
