#include "supervisor/io/group_ends.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <unordered_set>
#include <utility>

#include "supervisor/io/pidfd.hpp"
#include "supervisor/io/proc_files.hpp"

namespace pmctl {

namespace {

// Mostly a member ends a few milliseconds after its leader. Ends of one's own children are told, those of
// others are not; then twice as long each time.
constexpr Duration first_delay = std::chrono::milliseconds(2);
constexpr Duration longest_delay = std::chrono::milliseconds(200);
// Before all processes are looked at, which takes milliseconds where there are a thousand.
constexpr int cheap_looks = 4;

// Members whose parent has ended are the supervisor's children: as zombies they would count for members.
void reap_members(pid_t group) {
    siginfo_t info{};
    while (::waitid(P_PGID, static_cast<id_t>(group), &info, WEXITED | WNOHANG | __WALL) == 0 &&
           info.si_pid != 0)
        info = {};
}

bool is_empty(const GroupEnds::Group& group) {
    if (!has_members(group.pidfd.get(), group.leader)) return true;
    if (group.is_foreign) return false;
    reap_members(group.leader);
    return !has_members(group.pidfd.get(), group.leader);
}

// The groups in which somebody lives, and is no zombie that its parent leaves lying about. Nothing: that
// cannot be told.
std::optional<std::unordered_set<pid_t>> living_groups() {
    const auto pids = all_pids();
    if (!pids) return std::nullopt;
    std::unordered_set<pid_t> living;
    for (const pid_t pid : *pids) {
        const auto stat = read_proc_stat(pid);
        if (stat && stat->state != 'Z' && stat->state != 'X') living.insert(stat->group);
    }
    return living;
}

}  // namespace

GroupEnds::GroupEnds(Loop& loop, Empty empty)
    : empty_(std::move(empty)), timer_(loop, [this] { look(true); }) {}

void GroupEnds::await(Group group) {
    if (is_empty(group)) return empty_(std::move(group));
    groups_.push_back(std::move(group));
    delay_ = first_delay;
    looks_ = 0;
    timer_.set(Loop::now().steady + delay_);
}

bool GroupEnds::contains(RunNumber run) const {
    return std::any_of(groups_.begin(), groups_.end(), [run](const Group& each) { return each.run == run; });
}

void GroupEnds::signal(RunNumber run, int signal_number) {
    for (Group& group : groups_) {
        if (group.run != run) continue;
        const int pidfd = group.pidfd.get();
        if (group.is_foreign) {
            signal_group(pidfd, group.leader, signal_number);
        } else {
            signal_left_group(pidfd, group.leader, signal_number);
        }
        if (signal_number != SIGKILL) continue;
        group.killed = true;
        delay_ = first_delay;
        looks_ = 0;
        timer_.set(Loop::now().steady + delay_);
    }
}

void GroupEnds::child_ended() {
    if (!groups_.empty()) look(false);
}

void GroupEnds::look(bool closely) {
    const bool at_all = closely && ++looks_ > cheap_looks &&
                        std::any_of(groups_.begin(), groups_.end(),
                                    [](const Group& each) { return each.is_foreign || each.killed; });
    const auto living = at_all ? living_groups() : std::nullopt;
    const auto left = std::stable_partition(groups_.begin(), groups_.end(), [&](const Group& group) {
        if (is_empty(group)) return false;
        const bool zombies_count = !group.is_foreign && !group.killed;
        return !living || zombies_count || living->contains(group.leader);
    });
    std::vector<Group> empty(std::make_move_iterator(left), std::make_move_iterator(groups_.end()));
    groups_.erase(left, groups_.end());
    if (closely && !groups_.empty()) {
        delay_ = std::min(delay_ * 2, longest_delay);
        timer_.set(Loop::now().steady + delay_);
    }
    for (Group& each : empty) empty_(std::move(each));
}

}  // namespace pmctl
