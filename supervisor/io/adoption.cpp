#include "supervisor/io/adoption.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>

#include "supervisor/io/loop.hpp"
#include "supervisor/io/pidfd.hpp"
#include "supervisor/io/proc_files.hpp"
#include "supervisor/io/tagged.hpp"

namespace pmctl {

namespace {

Finding ended(const RunRecord& record, std::string note, ExitStatus status = {}) {
    Finding finding;
    finding.run.record = record;
    finding.run.note = std::move(note);
    finding.run.status = status;
    return finding;
}

Finding unclear(const RunRecord& record, std::string note) {
    Finding finding = ended(record, std::move(note));
    finding.run.state = FoundRun::State::Unclear;
    return finding;
}

Finding alive(RunRecord record, Descriptor pidfd) {
    Finding finding;
    finding.run.state = FoundRun::State::Alive;
    finding.run.age = age_of(record.start_ticks);
    finding.run.record = std::move(record);
    finding.pidfd = std::move(pidfd);
    return finding;
}

// What an older record does not have.
void complete(RunRecord& record, const ProcStat& stat, const std::string& boot,
              const std::optional<RunTag>& tag) {
    record.start_ticks = stat.start_ticks;
    record.boot_id = boot;
    if (!tag) return;
    if (record.log_name.empty()) record.log_name = tag->log_name;
    if (record.fingerprint.empty()) record.fingerprint = tag->fingerprint;
    record.listening = record.listening || tag->listening;
}

Finding find_stored(const RunRecord& stored, const std::string& scope, const std::string& boot) {
    const auto stranger = [&] {
        return ended(stored, fmt::format("pid {} is another process now", stored.pid));
    };
    if (stored.pid <= 1) return ended(stored, "");
    if (!stored.boot_id.empty() && !boot.empty() && stored.boot_id != boot) {
        Finding finding = ended(stored, "the machine was started anew");
        finding.run.of_earlier_boot = true;
        return finding;
    }
    Descriptor pidfd = open_pidfd(stored.pid);
    if (!pidfd && errno == ESRCH) return ended(stored, "");
    if (!pidfd && (errno == EINVAL || errno == ENOENT)) return stranger();
    if (!pidfd) {
        return unclear(stored, fmt::format("pidfd_open of pid {}: {}", stored.pid, std::strerror(errno)));
    }
    const auto stat = read_proc_stat(stored.pid);
    if (!stat && !open_pidfd(stored.pid) && errno == ESRCH) return ended(stored, "");
    if (!stat) return unclear(stored, fmt::format("'/proc/{}/stat' cannot be read", stored.pid));
    const bool fits = stored.start_ticks == stat->start_ticks;
    const auto tag = fits ? tag_of(stored.pid, scope) : patient_tag_of(stored.pid, scope);
    if (tag && tag->run != stored.run) return stranger();
    // Only the process that was started has its own number in its tag.
    if (!fits && (!tag || tag->leader != stored.pid)) return stranger();
    if (has_ended(pidfd.get())) {
        const EndReport report = end_report(pidfd.get(), stored.pid, stat->start_ticks);
        if (report.kind != EndReport::Kind::NotYet) return ended(stored, "", report.status);
    }
    RunRecord record = stored;
    complete(record, *stat, boot, tag);
    return alive(std::move(record), std::move(pidfd));
}

RunRecord record_of(const RunTag& tag, pid_t leader, const ProcStat& stat, const std::string& boot,
                    WallTime now) {
    RunRecord record;
    record.run = tag.run;
    record.pid = leader;
    record.port = tag.port;
    record.started_at = now - age_of(stat.start_ticks);
    complete(record, stat, boot, tag);
    return record;
}

class Search {
  public:
    explicit Search(const std::string& scope) : scope_(scope), boot_(boot_id()) {}

    Result<Findings> run(const std::vector<RunRecord>& stored) {
        for (const RunRecord& record : stored) take(find_stored(record, scope_, boot_));
        const auto pids = all_pids();
        if (!pids) return tl::unexpected(pids.error());
        seen_ = find_all_tagged(*pids, leaders_, scope_);
        find_unknown_leaders();
        find_silent_leaders();
        const auto sessions = find_remnants();
        if (!sessions.empty()) find_session_members(sessions, *pids);
        return std::move(findings_);
    }

  private:
    bool is_known(RunNumber run) const { return known_.contains(run); }
    bool may_live(RunNumber run) const {
        const auto found = known_.find(run);
        return found != known_.end() && found->second != FoundRun::State::Ended;
    }

    void take(Finding finding) {
        known_[finding.run.record.run] = finding.run.state;
        if (finding.run.state != FoundRun::State::Ended) leaders_.insert(finding.run.record.pid);
        findings_.runs.push_back(std::move(finding));
    }

    void take_unknown(const RunTag& tag, Descriptor pidfd, const ProcStat& stat) {
        Finding finding = alive(record_of(tag, tag.leader, stat, boot_, Loop::now().wall), std::move(pidfd));
        finding.run.is_stored = false;
        take(std::move(finding));
    }

    void find_unknown_leaders() {
        for (Tagged& each : seen_) {
            if (each.tag.run == 0 || each.tag.leader != each.pid || is_known(each.tag.run)) continue;
            take_unknown(each.tag, std::move(each.pidfd), each.stat);
        }
    }

    // As long as somebody is in a session its number is given to nobody else (pid_namespaces(7), alloc_pid in
    // the kernel): whoever has that number began the session.
    void find_silent_leaders() {
        for (const Tagged& each : seen_) {
            if (each.tag.run == 0 || is_known(each.tag.run) || each.stat.session != each.tag.leader) continue;
            Descriptor pidfd = open_pidfd(each.tag.leader);
            const auto stat = read_proc_stat(each.tag.leader);
            if (!pidfd || !stat || stat->session != each.tag.leader || has_ended(each.pidfd.get())) continue;
            if (!has_ended(pidfd.get())) take_unknown(each.tag, std::move(pidfd), *stat);
        }
    }

    // Returns the sessions of ended runs that somebody is in, and the place of that one in remnants.
    std::unordered_map<pid_t, std::size_t> find_remnants() {
        std::unordered_map<pid_t, std::size_t> sessions;
        for (Tagged& each : seen_) {
            if (!each.pidfd || may_live(each.tag.run)) continue;
            if (each.stat.session == each.tag.leader)
                sessions.emplace(each.stat.session, findings_.remnants.size());
            remnant_pids_.insert(each.pid);
            findings_.remnants.push_back({each.pid, std::move(each.pidfd), each.tag.run, each.tag.log_name});
        }
        return sessions;
    }

    // Those that cleared their environment. The one that is known to be in the session still is when they
    // have been looked at, so it was the same session all the time.
    void find_session_members(const std::unordered_map<pid_t, std::size_t>& sessions,
                              const std::vector<pid_t>& pids) {
        for (const pid_t pid : pids) {
            if (remnant_pids_.contains(pid) || leaders_.contains(pid) || pid == ::getpid()) continue;
            const auto first = read_proc_stat(pid);
            if (!first || !sessions.contains(first->session)) continue;
            Descriptor pidfd = open_pidfd(pid);
            const auto stat = read_proc_stat(pid);
            if (!pidfd || !stat || stat->session != first->session || has_ended(pidfd.get())) continue;
            const Remnant& witness = findings_.remnants.at(sessions.at(stat->session));
            if (has_ended(witness.pidfd.get())) continue;
            const RunNumber run = witness.run;
            std::string log_name = witness.log_name;
            findings_.remnants.push_back({pid, std::move(pidfd), run, std::move(log_name)});
        }
    }

    const std::string& scope_;
    std::string boot_;
    Findings findings_;
    std::unordered_map<RunNumber, FoundRun::State> known_;
    std::unordered_set<pid_t> leaders_;  // of those that live
    std::vector<Tagged> seen_;
    std::unordered_set<pid_t> remnant_pids_;
};

}  // namespace

Result<Findings> find_runs(const std::vector<RunRecord>& stored, const std::string& scope) {
    return Search(scope).run(stored);
}

void end_remnants(const std::vector<Remnant>& remnants, Duration patience) {
    for (const Remnant& each : remnants) signal_process(each.pidfd.get(), SIGKILL);
    const TimePoint until = Loop::now().steady + patience;
    for (const Remnant& each : remnants) has_ended(each.pidfd.get(), until - Loop::now().steady);
}

}  // namespace pmctl
