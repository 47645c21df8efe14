#include "supervisor/core/report.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace pmctl {

namespace {

struct Open {
    MarkKind state = MarkKind::NotWanted;
    WallTime since{};
    std::optional<WallTime> lost_at;  // served before, and was wanted ever since
};

class Walk {
  public:
    Walk(WallTime since, WallTime until) : since_(since), until_(until) {}

    void take(const Mark& mark) {
        switch (mark.kind) {
            case MarkKind::Serves:
            case MarkKind::Missed:
            case MarkKind::NotWanted: change(mark); break;
            case MarkKind::SupervisorStarts:
                if (watched_from_) end(last_);
                watched_from_ = mark.at;
                break;
            case MarkKind::SupervisorEnds: end(mark.at); break;
            case MarkKind::Failed: count(mark, &NameHistory::failures); break;
            case MarkKind::Updated: count(mark, &NameHistory::updates); break;
            case MarkKind::UpdateFailed: count(mark, &NameHistory::failed_updates); break;
            case MarkKind::Applied:
                if (mark.at >= since_) found_.applied.push_back(mark.took);
                break;
            case MarkKind::SupervisorLives: break;
        }
        // Older marks may have been pruned, the supervisor's start with them.
        if (!watched_from_ && mark.kind != MarkKind::SupervisorEnds) watched_from_ = mark.at;
        last_ = mark.at;
    }

    MarkHistory finish() {
        for (auto& [name, open] : open_) {
            close(name, open, until_);
            if (open.state == MarkKind::Missed) found_.names[name].missed_since = open.since;
        }
        if (watched_from_) found_.watched += within(*watched_from_, until_);
        return std::move(found_);
    }

  private:
    Duration within(WallTime from, WallTime to) const {
        return std::max(std::min(to, until_) - std::max(from, since_), Duration::zero());
    }
    void count(const Mark& mark, std::uint64_t NameHistory::* which) {
        if (mark.at >= since_) ++(found_.names[mark.name].*which);
    }
    // What lasted until then.
    void close(const std::string& name, const Open& open, WallTime at) {
        NameHistory& history = found_.names[name];
        if (open.state == MarkKind::NotWanted) return;
        history.wanted += within(open.since, at);
        if (open.state == MarkKind::Serves) history.served += within(open.since, at);
    }
    void change(const Mark& mark) {
        Open& open = open_[mark.name];
        close(mark.name, open, mark.at);
        if (mark.kind == MarkKind::Missed && open.state == MarkKind::Serves) open.lost_at = mark.at;
        if (mark.kind == MarkKind::Serves && open.lost_at && mark.at >= since_)
            found_.names[mark.name].recoveries.push_back(std::max(mark.at - *open.lost_at, Duration::zero()));
        if (mark.kind != MarkKind::Missed) open.lost_at.reset();
        open.state = mark.kind;
        open.since = mark.at;
    }
    void end(WallTime at) {
        for (const auto& [name, open] : open_) close(name, open, at);
        open_.clear();
        if (watched_from_) found_.watched += within(*watched_from_, at);
        watched_from_.reset();
    }

    WallTime since_;
    WallTime until_;
    MarkHistory found_;
    std::map<std::string, Open> open_;
    std::optional<WallTime> watched_from_;
    WallTime last_{};
};

// Nearest rank: https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method
Duration percentile(const std::vector<Duration>& sorted, std::size_t percent) {
    const std::size_t rank = (sorted.size() * percent + 99) / 100;
    return sorted[std::max<std::size_t>(rank, 1) - 1];
}

}  // namespace

MarkHistory history_of(const std::vector<Mark>& marks, WallTime since, WallTime until) {
    Walk walk(since, until);
    for (const Mark& mark : marks) walk.take(mark);
    MarkHistory found = walk.finish();
    found.covered_since = marks.empty() ? until : std::clamp(marks.front().at, since, std::max(since, until));
    return found;
}

DurationFigures figures_of(std::vector<Duration> durations) {
    if (durations.empty()) return {};
    std::sort(durations.begin(), durations.end());
    const Duration sum = std::accumulate(durations.begin(), durations.end(), Duration::zero());
    return {durations.size(), sum / static_cast<Duration::rep>(durations.size()), percentile(durations, 50),
            percentile(durations, 99), durations.back()};
}

ReportRow report_row(std::string name, const NameHistory& history) {
    return {std::move(name),
            history.wanted,
            history.served,
            history.failures,
            history.updates,
            history.failed_updates,
            figures_of(history.recoveries),
            history.missed_since};
}

void add(NameHistory& total, const NameHistory& one) {
    total.wanted += one.wanted;
    total.served += one.served;
    total.failures += one.failures;
    total.updates += one.updates;
    total.failed_updates += one.failed_updates;
    total.recoveries.insert(total.recoveries.end(), one.recoveries.begin(), one.recoveries.end());
    if (one.missed_since && (!total.missed_since || *one.missed_since < *total.missed_since))
        total.missed_since = one.missed_since;
}

}  // namespace pmctl
