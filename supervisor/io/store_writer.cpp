#include "supervisor/io/store_writer.hpp"

#include <algorithm>
#include <unordered_set>

namespace pmctl {

namespace {

constexpr std::size_t transaction_size = 4096;  // each of intentions waits for the disk
constexpr std::size_t kept_capacity = 512;      // of the writer's batch, for the next one

bool is_of_run(const StoreWrite& write) {
    using Kind = StoreWrite::Kind;
    return write.kind == Kind::RunStarted || write.kind == Kind::RunChanged || write.kind == Kind::RunEnded;
}

}  // namespace

bool is_intention(const StoreWrite& write) {
    switch (write.kind) {
        case StoreWrite::Kind::SetIntention:
        case StoreWrite::Kind::ForgetInstance:
        case StoreWrite::Kind::SetScale:
        case StoreWrite::Kind::ClearScales: return true;
        case StoreWrite::Kind::RunStarted:
        case StoreWrite::Kind::RunChanged:
        case StoreWrite::Kind::RunEnded:
        case StoreWrite::Kind::AppendEvent:
        case StoreWrite::Kind::AppendMark:
        case StoreWrite::Kind::SetNextRun:
        case StoreWrite::Kind::SetRest:
        case StoreWrite::Kind::ClearRests:
        case StoreWrite::Kind::SetAdmin: return false;
    }
    return false;
}

void StateStore::Inner::work() {
    std::unique_lock lock(mutex);
    for (;;) {
        if (batch_done == batch.size()) {
            batch.clear();
            if (batch.capacity() > kept_capacity) batch.shrink_to_fit();  // after a burst, not at the next
            batch_done = 0;
            idle = true;
            to_writer.wait(lock, [this] { return !queue.empty() || ending; });
            idle = false;
            if (queue.empty()) return;
            // All before is stored, so those that still wait do for what is taken now: they are in a hurry.
            to_writer.wait_for(lock, limits.gather, [this] { return hurry || ending || !waiting.empty(); });
            batch.swap(queue);
            taken = queued;
        }
        hurry = false;
        ++attempt;
        next_run = std::max(next_run, next_run_of_dropped);
        const std::size_t before = batch_done;
        lock.unlock();
        const auto written = write_some();
        lock.lock();
        if (written) {
            finished += batch_done - before;
            if (batch_done == batch.size()) settled = taken;
            worked(lock);
            from_writer.notify_all();
            tell_waiting(lock, {});
            continue;
        }
        failed(written.error(), lock);
        // Those that asked meanwhile are told of the next attempt, which comes at once, as they have set
        // `hurry`. After the last one there is none.
        const bool is_last = ending;
        failed_attempt = is_last ? attempt + 1 : attempt;
        from_writer.notify_all();
        tell_waiting(lock, fail(trouble));
        if (is_last) return;
        to_writer.wait_for(lock, retry, [this] { return hurry || ending; });
    }
}

// One transaction. After an error nothing of it is stored.
DbResult<void> StateStore::Inner::write_some() {
    const std::size_t end = std::min(batch_done + transaction_size, batch.size());
    const auto first = batch.begin() + static_cast<std::ptrdiff_t>(batch_done);
    const auto last = batch.begin() + static_cast<std::ptrdiff_t>(end);
    const bool durable = std::any_of(first, last, is_intention);
    auto done = db->begin(durable ? StateDb::Durability::Disk : StateDb::Durability::Process);
    std::uint64_t last_event = 0;
    std::uint64_t marks = unpruned_marks;
    for (auto write = first; done && write != last; ++write) {
        if (write->kind == StoreWrite::Kind::RunStarted) next_run = std::max(next_run, write->run.run + 1);
        if (write->kind == StoreWrite::Kind::AppendEvent) last_event = write->event.number;
        if (write->kind == StoreWrite::Kind::AppendMark) ++marks;
        done = db->apply(*write);
    }
    if (done && next_run > stored_next_run) done = db->set_next_run(next_run);
    const bool prune = last_event > limits.kept_events && last_event / prune_every != pruned_at;
    if (done && prune) done = db->prune_events(last_event - limits.kept_events);
    const bool prune_marks = marks > prune_every;
    if (done && prune_marks) done = db->prune_marks(limits.kept_marks);
    if (done) done = db->commit();
    if (!done) {
        db->rollback();
        return done;
    }
    stored_next_run = next_run;
    if (prune) pruned_at = last_event / prune_every;
    unpruned_marks = prune_marks ? 0 : marks;
    batch_done = end;
    return done;
}

void StateStore::Inner::failed(const DbError& error, std::unique_lock<std::mutex>& lock) {
    const bool is_first = trouble.empty();
    trouble = "'" + path + "': " + error.message;
    retry = is_first ? limits.retry_first : std::min(retry * 2, limits.retry_longest);
    if (is_first) {
        const std::string message =
            trouble + "; what is to be stored waits in memory, and everything else goes on";
        lock.unlock();
        if (on_trouble) on_trouble(message);
        lock.lock();
    } else if (error.wants_reopen()) {
        // The file may be another one by now, or its folder back.
        lock.unlock();
        auto again = StateDb::open(path, StateDb::Use::Write);
        if (again) db = std::move(*again);
        lock.lock();
    }
}

void StateStore::Inner::worked(std::unique_lock<std::mutex>& lock) {
    if (trouble.empty()) return;
    trouble.clear();
    std::string message = "'" + path + "' can be written again";
    if (lost_events > 0) message += "; the " + std::to_string(lost_events) + " oldest events were dropped";
    lost_events = 0;
    lock.unlock();
    if (on_trouble) on_trouble(message);
    lock.lock();
}

// Of what is stored those that waited for it, of a failure those that had asked before the attempt began.
void StateStore::Inner::tell_waiting(std::unique_lock<std::mutex>& lock, const Result<void>& outcome) {
    std::vector<OnStored> told;
    std::erase_if(waiting, [&](auto& each) {
        const bool is_over = outcome ? each.until <= settled : each.attempt < failed_attempt;
        if (is_over) told.push_back(std::move(each.stored));
        return is_over;
    });
    if (told.empty()) return;
    lock.unlock();
    for (const OnStored& each : told) each(outcome);
    lock.lock();
}

// The oldest tenth of what tells of the past goes; then runs that began and ended in the queue, which nobody
// will look for. Intentions stay whatever it costs: people make them, and there are few.
void StateStore::Inner::make_room() {
    std::size_t surplus = std::max<std::size_t>(queue.size() / 10, 1);
    const std::size_t before = queue.size();
    std::erase_if(queue, [&](const StoreWrite& write) {
        const bool is_past =
            write.kind == StoreWrite::Kind::AppendEvent || write.kind == StoreWrite::Kind::AppendMark;
        if (surplus == 0 || !is_past) return false;
        --surplus;
        ++lost_events;
        return true;
    });
    if (before == queue.size()) {
        std::unordered_set<RunNumber> ended;
        std::unordered_set<RunNumber> whole;
        RunNumber highest = 0;
        for (const StoreWrite& write : queue)
            if (write.kind == StoreWrite::Kind::RunEnded) ended.insert(write.run.run);
        for (const StoreWrite& write : queue) {
            if (write.kind != StoreWrite::Kind::RunStarted || !ended.contains(write.run.run)) continue;
            whole.insert(write.run.run);
            highest = std::max(highest, write.run.run);
        }
        std::erase_if(queue, [&](const StoreWrite& write) {
            return is_of_run(write) && whole.contains(write.run.run);
        });
        next_run_of_dropped = std::max(next_run_of_dropped, highest + 1);
    }
    finished += before - queue.size();
}

}  // namespace pmctl
