#include "cli/wait.hpp"

#include <algorithm>

namespace pmctl {

namespace {

Verdict judge_start(const StatusRow& row, std::uint64_t run_before, bool later_run) {
    if (row.wanted == "stopped") return Verdict::Failed;
    if (is_up(row) && (!later_run || row.run > run_before)) return Verdict::Done;
    const bool update_failed = row.update && row.update->state == "failed";
    if (later_run && update_failed) return Verdict::Failed;
    // What ran before the update goes on.
    if (update_failed && row.state == "Running") return Verdict::Done;
    // A start that failed has a run of its own, or none at all.
    if (row.outlook == Outlook::Stuck && (row.run > run_before || !row.pid)) return Verdict::Failed;
    return Verdict::Open;
}

Verdict judge_stop(const StatusRow& row) {
    if (row.wanted != "stopped") return Verdict::Failed;
    // What an update left behind may outlive the current run.
    if (!row.pid && row.state != "Stopping") return Verdict::Done;
    return row.state == "Failed" ? Verdict::Failed : Verdict::Open;
}

}  // namespace

bool is_up(const StatusRow& row) {
    if (row.outlook != Outlook::Settled || row.wanted != "running") return false;
    return row.state == "Running" || row.state == "Stopped";
}

Verdict judge(Goal goal, const StatusRow& row, std::uint64_t run_before) {
    switch (goal) {
        case Goal::Started: return judge_start(row, run_before, false);
        case Goal::Restarted: return judge_start(row, run_before, true);
        case Goal::Stopped: return judge_stop(row);
        case Goal::Halted: {
            const bool live = row.pid || row.state == "Starting" || row.state == "Stopping";
            return live ? Verdict::Open : Verdict::Done;
        }
        case Goal::Converged:
            if (row.outlook == Outlook::Settled) return Verdict::Done;
            return row.outlook == Outlook::Stuck ? Verdict::Failed : Verdict::Open;
        case Goal::Healthy:
            if (row.state == "Running") return Verdict::Done;
            return is_up(row) ? Verdict::Failed : Verdict::Open;
        case Goal::Well: return row.state == "Running" || is_up(row) ? Verdict::Done : Verdict::Open;
    }
    return Verdict::Open;
}

Verdict judge_gone(Goal goal) {
    switch (goal) {
        case Goal::Stopped:
        case Goal::Halted:
        case Goal::Converged: return Verdict::Done;
        case Goal::Started:
        case Goal::Restarted:
        case Goal::Healthy:
        case Goal::Well: return Verdict::Failed;
    }
    return Verdict::Failed;
}

void Waiting::add(Item item) {
    const auto place =
        std::lower_bound(items_.begin(), items_.end(), item.name,
                         [](const Item& each, const std::string& text) { return each.name < text; });
    if (place != items_.end() && place->name == item.name) return;
    items_.insert(place, std::move(item));
    ++open_;
}

void Waiting::add(std::string name, std::uint64_t run_before) {
    add(Item{.name = std::move(name), .run_before = run_before});
}

void Waiting::add(const ActionReply& reply) {
    asked_at_ = reply.generation;
    for (const ActionReply::Item& item : reply.items) {
        const bool under_way = item.state == "Starting" || item.state == "Stopping";
        add(Item{.name = item.name, .run_before = item.run, .under_way = under_way});
    }
}

Waiting::Item* Waiting::find(const std::string& name) {
    const auto place =
        std::lower_bound(items_.begin(), items_.end(), name,
                         [](const Item& item, const std::string& text) { return item.name < text; });
    return place != items_.end() && place->name == name ? &*place : nullptr;
}

std::vector<std::size_t> Waiting::update(const StatusReply& reply) {
    std::vector<std::size_t> decided;
    const auto decide = [&](Item& item, Verdict verdict) {
        if (verdict == Verdict::Open) return;
        item.verdict = verdict;
        --open_;
        decided.push_back(static_cast<std::size_t>(&item - items_.data()));
    };
    for (const StatusRow& row : reply.rows) {
        Item* item = find(row.name);
        if (item == nullptr || item->verdict != Verdict::Open) continue;
        item->row = row;
        decide(*item, judge(goal_, row, item->run_before));
    }
    for (const std::string& name : reply.gone) {
        Item* item = find(name);
        if (item == nullptr || item->verdict != Verdict::Open) continue;
        item->gone = true;
        decide(*item, judge_gone(goal_));
    }
    return decided;
}

bool Waiting::has_failed() const {
    return std::any_of(items_.begin(), items_.end(),
                       [](const Item& item) { return item.verdict == Verdict::Failed; });
}

std::vector<std::string> Waiting::names() const {
    std::vector<std::string> found;
    found.reserve(items_.size());
    for (const Item& item : items_) found.push_back(item.name);
    return found;
}

std::vector<std::string> Waiting::names_at_rest() const {
    std::vector<std::string> found;
    for (const Item& item : items_) {
        if (!item.under_way) found.push_back(item.name);
    }
    return found;
}

std::vector<std::string> Waiting::open_names() const {
    std::vector<std::string> found;
    for (const Item& item : items_) {
        if (item.verdict == Verdict::Open) found.push_back(item.name);
    }
    return found;
}

std::vector<StatusRow> Waiting::rows() const {
    std::vector<StatusRow> found;
    for (const Item& item : items_) {
        if (!item.gone && !item.row.name.empty()) found.push_back(item.row);
    }
    return found;
}

}  // namespace pmctl
