#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "supervisor/io/real_effects.hpp"

namespace pmctl {

namespace {

// For processes that have been killed already: only the kernel can be slow.
constexpr Duration patience = std::chrono::seconds(2);
constexpr Duration log_retry = std::chrono::seconds(1);

}  // namespace

Result<RealEffects::Inherited> RealEffects::find_runs(const std::vector<RunRecord>& stored) {
    auto found = pmctl::find_runs(stored, state_dir_);
    if (!found) return tl::unexpected(found.error());
    Inherited inherited;
    // What waits in a FIFO is lost when the last process that holds it ends. That there is none to be had is
    // told by those who need it.
    for (const Remnant& each : found->remnants) {
        if (each.run != 0 && !each.log_name.empty()) (void)logs_->adopt(each.log_name, {}, each.pid);
    }
    for (const auto& [run, pidfd] : found->runs) {
        const std::string& name = run.record.log_name;
        if (pidfd && !name.empty()) (void)logs_->adopt(name, {}, run.record.pid);
    }
    end_remnants(found->remnants, patience);
    for (const Remnant& each : found->remnants) {
        inherited.next_run = std::max(inherited.next_run, each.run + 1);
        const char* what = each.run == 0 ? "a check" : "a run that has ended";
        inherited.killed.push_back(fmt::format(
            "'{}': pid {}, left by {} of an earlier supervisor, was killed", each.log_name, each.pid, what));
        // What it may have started since it was found. Checks begin anew, with the same number.
        if (each.run != 0) processes_->end_strays(each.run);
    }
    for (Finding& each : found->runs) {
        const RunRecord& record = each.run.record;
        inherited.next_run = std::max(inherited.next_run, record.run + 1);
        if (each.run.state == FoundRun::State::Ended) {
            auto cgroup = cgroup_of(record);
            if (cgroup && each.run.note.empty()) each.run.note = cgroup->end_note();
            processes_->end_cgroup(std::move(cgroup));
        }
        inherited.runs.push_back(each.run);
        if (each.run.state == FoundRun::State::Alive) found_[record.run] = std::move(each);
    }
    return inherited;
}

// Null: it has none. One that a record names may be gone with the machine's last boot.
std::unique_ptr<RunCgroup> RealEffects::cgroup_of(const RunRecord& record) {
    std::string folder = record.cgroup;
    if (folder.empty() && cgroups_ && !record.log_name.empty())
        folder = cgroups_->folder_of(record.log_name, record.run);
    if (folder.empty()) return nullptr;
    auto group = RunCgroup::reopen(std::move(folder));
    return group ? std::make_unique<RunCgroup>(std::move(*group)) : nullptr;
}

Result<void> RealEffects::hand_over(Handover& handover) {
    if (auto stored = store_->flush(patience); !stored) return stored;
    for (const auto& [port, socket] : listeners_.all()) {
        handover.listeners[port] = copy_for_exec(socket);
        if (!handover.listeners[port]) return fail("no descriptors left for the listening sockets");
    }
    // Without these, what waits in a FIFO is lost only if its writer ends meanwhile.
    for (const int fd : logs_->descriptors()) {
        Descriptor copy = copy_for_exec(fd);
        if (!copy) break;
        handover.streams.push_back(std::move(copy));
    }
    return {};
}

void RealEffects::take_over(Handover& handover) {
    for (auto& [port, socket] : handover.listeners) listeners_.take(port, std::move(socket));
    streams_taken_over_ = std::move(handover.streams);
}

void RealEffects::end_takeover() {
    listeners_.close_taken();
    streams_taken_over_.clear();
}

Result<std::unique_ptr<ExecChecks>> RealEffects::other_checks(ExecChecks::Done done) {
    return ExecChecks::make(loop_, crew_->own(), *processes_, std::move(done));
}

Result<void> RealEffects::adopt(RunNumber run) {
    const auto found = found_.find(run);
    if (found == found_.end()) return fail(fmt::format("run {} was not found alive", run));
    Finding& finding = found->second;
    const RunRecord& record = finding.run.record;
    const int pidfd = finding.pidfd.get();
    auto cgroup = cgroup_of(record);
    if (!record.cgroup.empty() && !cgroup) {
        trouble(record.log_name, "supervisor",
                fmt::format("its cgroup '{}' is not to be had, so it has no limits", record.cgroup));
    }
    auto adopted = processes_->adopt(run, {record.pid, pidfd}, record.start_ticks, std::move(cgroup));
    if (!adopted) return adopted;
    (void)finding.pidfd.release();
    live_[run] = {record.log_name, record.fingerprint, record.listening, record.start_ticks};
    adopt_logs(record.log_name, record.pid);
    if (record.listening) {
        if (auto taken = listeners_.adopt(record.port, pidfd, record.pid); !taken)
            trouble(record.log_name, "port", taken.error().message);
    }
    found_.erase(found);
    return {};
}

void RealEffects::adopt_logs(const std::string& log_name, pid_t pid) {
    if (log_name.empty()) return;  // neither its record nor its tag has it
    const auto opened = logs_->adopt(log_name, log_settings_[log_name], pid);
    if (opened) {
        if (waiting_logs_.erase(log_name) > 0) trouble(log_name, "log", "its log can be written again");
        return;
    }
    if (waiting_logs_.emplace(log_name, pid).second)
        trouble(log_name, "log", opened.error().message + "; its output waits until that works");
    log_retry_.set(Loop::now().steady + log_retry);
}

void RealEffects::adopt_waiting_logs() {
    for (const auto& [log_name, pid] : std::map(waiting_logs_)) adopt_logs(log_name, pid);
}

void RealEffects::collect_logs(const std::string& log_name) {
    const auto opened = logs_->open_for(log_name, log_settings_[log_name]);
    if (!opened) return trouble(log_name, "log", opened.error().message);
    logs_->drain(log_name);
}

}  // namespace pmctl
