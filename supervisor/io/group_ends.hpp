// Groups whose leader has ended on the signal that was to stop their run: who is left in them has the rest of
// stop_timeout to end as well (a shell that was told, and the server that it started). When that time is over
// is the Supervisor's to say, by SIGKILL.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "supervisor/core/run.hpp"
#include "supervisor/io/descriptor.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

class GroupEnds {
  public:
    struct Group {
        RunNumber run = 0;
        pid_t leader = 0;  // its number, which is the group's
        Descriptor pidfd;  // the leader's
        bool is_foreign = false;
        std::uint64_t start_ticks = 0;  // of the leader of a foreign one
        ExitStatus status;              // the leader's; of a foreign one not known yet
        bool killed = false;
        TimePoint since{};  // when its leader had ended, or it was killed
    };
    using Empty = std::function<void(Group)>;
    using Reaped = std::function<void(pid_t)>;

    // `reaped` is told of each child that ended as a member of one of these, and is no more.
    GroupEnds(Loop& loop, Empty empty, Reaped reaped);

    // Calls `empty` once: at once where nobody is left, else when the last one has ended.
    void await(Group group);
    bool contains(RunNumber run) const;
    std::size_t size() const { return groups_.size(); }
    // One of them has time left: it was not killed.
    bool has_patience() const;
    void signal(RunNumber run, int signal_number);
    // SIGCHLD: a look costs nothing, and may find one empty.
    void child_ended();

  private:
    void look();
    void look_and_go_on();
    void look_again_soon();
    bool is_empty(const Group& group);
    bool is_time_for_all(TimePoint now);

    Empty empty_;
    Reaped reaped_;
    Timer timer_;
    std::vector<Group> groups_;
    Duration delay_{};
    TimePoint last_look_at_all_{};
};

}  // namespace pmctl
