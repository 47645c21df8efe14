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
// One that is killed and does not end is held by the kernel, or is another user's: nobody waits for it.
constexpr Duration until_rare_looks = std::chrono::seconds(15);
constexpr Duration rare_delay = std::chrono::seconds(5);
// Before all processes are looked at, which takes milliseconds where there are a thousand.
constexpr Duration until_look_at_all = std::chrono::milliseconds(50);

// The groups in which somebody lives, and is no zombie that its parent leaves lying about. Nothing: that
// cannot be told.
std::optional<std::unordered_set<pid_t>> living_groups() {
    const auto pids = all_pids();
    if (!pids) return std::nullopt;
    std::unordered_set<pid_t> living;
    for (const pid_t pid : *pids) {
        const auto stat = read_proc_stat(pid);
        if (!stat) continue;
        if (stat->state == 'Z' || stat->state == 'X') {
            // One whose first thread has ended before the others looks like that, too.
            const Descriptor pidfd = open_pidfd(pid);
            if (!pidfd || has_ended(pidfd.get())) continue;
        }
        living.insert(stat->group);
    }
    return living;
}

}  // namespace

GroupEnds::GroupEnds(Loop& loop, Empty empty, Reaped reaped)
    : empty_(std::move(empty)), reaped_(std::move(reaped)), timer_(loop, [this] { look_and_go_on(); }) {}

// Members whose parent has ended are the supervisor's children: as zombies they would count for members.
bool GroupEnds::is_empty(const Group& group) {
    if (!has_members(group.pidfd.get(), group.leader)) return true;
    if (group.is_foreign) return false;
    siginfo_t info{};
    while (::waitid(P_PGID, static_cast<id_t>(group.leader), &info, WEXITED | WNOHANG | __WALL) == 0 &&
           info.si_pid != 0) {
        reaped_(info.si_pid);
        info = {};
    }
    return !has_members(group.pidfd.get(), group.leader);
}

void GroupEnds::await(Group group) {
    if (is_empty(group)) return empty_(std::move(group));
    group.since = Loop::now().steady;
    groups_.push_back(std::move(group));
    look_again_soon();
}

void GroupEnds::look_again_soon() {
    delay_ = first_delay;
    timer_.set(Loop::now().steady + delay_);
}

bool GroupEnds::contains(RunNumber run) const {
    return std::any_of(groups_.begin(), groups_.end(), [run](const Group& each) { return each.run == run; });
}

bool GroupEnds::has_patience() const {
    return std::any_of(groups_.begin(), groups_.end(), [](const Group& each) { return !each.killed; });
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
        group.since = Loop::now().steady;
        look_again_soon();
    }
}

void GroupEnds::child_ended() {
    if (!groups_.empty()) look();
}

// Members that have ended may have a parent that does not take note: that of what was adopted may be process
// 1 of a container, and one's own may have been started by who left the group. Those are looked for once
// their group was killed.
bool GroupEnds::is_time_for_all(TimePoint now) {
    const bool is_wanted = std::any_of(groups_.begin(), groups_.end(), [now](const Group& each) {
        return (each.killed || each.is_foreign) && now - each.since >= until_look_at_all;
    });
    if (!is_wanted || now - last_look_at_all_ < longest_delay) return false;
    last_look_at_all_ = now;
    return true;
}

void GroupEnds::look() {
    const TimePoint now = Loop::now().steady;
    const auto living = is_time_for_all(now) ? living_groups() : std::nullopt;
    const auto left = std::stable_partition(groups_.begin(), groups_.end(), [&](const Group& group) {
        if (is_empty(group)) return false;
        const bool zombies_count = !group.killed && !group.is_foreign;
        return !living || zombies_count || living->contains(group.leader);
    });
    std::vector<Group> empty(std::make_move_iterator(left), std::make_move_iterator(groups_.end()));
    groups_.erase(left, groups_.end());
    for (Group& each : empty) empty_(std::move(each));
}

void GroupEnds::look_and_go_on() {
    const TimePoint now = Loop::now().steady;
    const bool rarely = std::all_of(groups_.begin(), groups_.end(), [now](const Group& each) {
        return each.killed && now - each.since >= until_rare_looks;
    });
    delay_ = rarely ? rare_delay : std::min(delay_ * 2, longest_delay);
    look();
    if (!groups_.empty()) timer_.set(now + delay_);
}

}  // namespace pmctl
