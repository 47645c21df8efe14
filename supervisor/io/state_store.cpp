#include "supervisor/io/state_store.hpp"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>

#include "supervisor/io/state_files.hpp"

namespace pmctl {

namespace {

constexpr std::size_t transaction_size = 4096;  // each of intentions waits for the disk
constexpr std::size_t kept_capacity = 512;      // of the writer's batch, for the next one
constexpr std::uint64_t prune_every = 4096;     // events, marks

// What an operator asked for: on the disk before the answer goes out.
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

bool is_of_run(const StoreWrite& write) {
    using Kind = StoreWrite::Kind;
    return write.kind == Kind::RunStarted || write.kind == Kind::RunChanged || write.kind == Kind::RunEnded;
}

}  // namespace

struct StateStore::Inner {
    Inner(StateDb opened, std::string file, OnTrouble callback, const StoreLimits& bounds)
        : db(std::move(opened)), path(std::move(file)), on_trouble(std::move(callback)), limits(bounds) {}

    // The writer's thread.
    void work();
    DbResult<void> write_some();
    void failed(const DbError& error, std::unique_lock<std::mutex>& lock);
    void worked(std::unique_lock<std::mutex>& lock);
    void make_room();  // with the mutex held

    // The writer's own.
    std::optional<StateDb> db;
    std::vector<StoreWrite> batch;
    std::size_t batch_done = 0;
    RunNumber next_run = 0;  // higher than any run that was seen
    RunNumber stored_next_run = 0;
    std::uint64_t pruned_at = 0;
    std::uint64_t unpruned_marks = prune_every;  // since they were pruned last; not known at first
    Duration retry{};

    const std::string path;
    const OnTrouble on_trouble;
    const StoreLimits limits;
    std::string notice;
    StoredState loaded;

    std::mutex mutex;  // guards all below
    std::condition_variable to_writer;
    std::condition_variable from_writer;
    std::vector<StoreWrite> queue;
    bool idle = false;    // the writer waits for a first write
    bool hurry = false;   // do not gather, try again at once
    bool ending = false;  // the last try
    std::uint64_t queued = 0;
    std::uint64_t finished = 0;  // of those queued: stored or dropped
    std::uint64_t attempts = 0;  // that failed
    std::uint64_t lost_events = 0;
    RunNumber next_run_of_dropped = 0;
    std::string trouble;  // "": none
    std::thread writer;
};

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
            to_writer.wait_for(lock, limits.gather, [this] { return hurry || ending; });
            batch.swap(queue);
        }
        hurry = false;
        next_run = std::max(next_run, next_run_of_dropped);
        const std::size_t before = batch_done;
        lock.unlock();
        const auto written = write_some();
        lock.lock();
        if (written) {
            finished += batch_done - before;
            worked(lock);
            from_writer.notify_all();
            continue;
        }
        failed(written.error(), lock);
        from_writer.notify_all();
        if (ending) return;
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
    ++attempts;
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

StateStore::StateStore(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}

Result<std::unique_ptr<StateStore>> StateStore::open(const std::string& state_dir, OnTrouble on_trouble,
                                                     const StoreLimits& limits) {
    const std::string path = state_dir + "/state.db";
    struct stat before{};
    const bool was_empty =
        ::stat(path.c_str(), &before) == 0 && S_ISREG(before.st_mode) && before.st_size == 0;
    if (auto made = make_state_files(state_dir, path); !made) return tl::unexpected(made.error());

    std::string notice;
    if (was_empty) notice = "'" + path + "' was empty: begun anew";
    StoredState state;
    const auto open_and_read = [&] {
        return StateDb::open(path, StateDb::Use::Write).and_then([&](StateDb opened) -> DbResult<StateDb> {
            auto found = opened.read(limits.recent_events);
            if (!found) return tl::unexpected(found.error());
            state = std::move(*found);
            return opened;
        });
    };
    struct stat found{};
    const bool is_file = ::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode);
    DbResult<StateDb> db = is_file ? open_and_read() : tl::unexpected(DbError{0, "not a file"});
    if (!db && (!is_file || db.error().damaged())) {
        const std::string reason = db.error().message;
        const auto aside =
            set_aside(path, std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()));
        if (!aside) return tl::unexpected(aside.error());
        notice = "'" + path + "' cannot be used (" + reason + "): it is kept as '" + *aside +
                 "', and a new one was begun; what was asked by 'pmctl stop' and 'pmctl scale' is forgotten";
        if (auto made = make_state_files(state_dir, path); !made) return tl::unexpected(made.error());
        db = open_and_read();
    }
    if (!db) return fail("'" + path + "': " + db.error().message);

    auto inner = std::make_unique<Inner>(std::move(*db), path, std::move(on_trouble), limits);
    inner->notice = std::move(notice);
    inner->stored_next_run = state.next_run;
    inner->next_run = state.next_run;
    inner->loaded = std::move(state);

    // Signals are the loop's.
    sigset_t all;
    sigset_t mask;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &mask);
    try {
        inner->writer = std::thread([raw = inner.get()] {
            raw->work();
            raw->db.reset();  // here: closing writes, and a file size limit sends SIGXFSZ to whoever does
        });
    } catch (const std::system_error& error) {
        ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
        return fail(std::string("a thread for the store: ") + error.what());
    }
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    return std::unique_ptr<StateStore>(new StateStore(std::move(inner)));
}

Result<void> StateStore::check(const std::string& state_dir) {
    const std::string path = state_dir + "/state.db";
    if (::access(path.c_str(), F_OK) != 0) return {};
    if (auto checked = StateDb::check(path); !checked)
        return fail("'" + path + "': " + checked.error().message);
    return {};
}

void StateStore::finish() {
    {
        const std::lock_guard lock(inner_->mutex);
        inner_->ending = true;
    }
    inner_->to_writer.notify_one();
}

StateStore::~StateStore() {
    finish();
    inner_->writer.join();
    const std::uint64_t lost = inner_->queued - inner_->finished;
    if (lost > 0 && inner_->on_trouble)
        inner_->on_trouble(inner_->trouble + "; " + std::to_string(lost) + " changes were not stored");
}

const std::string& StateStore::notice() const {
    return inner_->notice;
}

StoredState StateStore::load() {
    return std::exchange(inner_->loaded, {});
}

void StateStore::write(StoreWrite write) {
    if (queue(std::move(write))) wake();
}

bool StateStore::queue(StoreWrite write) {
    Inner& inner = *inner_;
    const std::lock_guard lock(inner.mutex);
    if (write.kind == StoreWrite::Kind::SetAdmin) {
        // It says all that the one before it does, and may be large where the disk refuses for long.
        inner.finished += std::erase_if(
            inner.queue, [](const StoreWrite& each) { return each.kind == StoreWrite::Kind::SetAdmin; });
    }
    if (inner.queue.size() >= inner.limits.queued_writes) inner.make_room();
    const bool urgent = is_intention(write);
    inner.queue.push_back(std::move(write));
    ++inner.queued;
    if (urgent) inner.hurry = true;
    return std::exchange(inner.idle, false) || urgent;  // one wake-up for a burst
}

void StateStore::wake() {
    inner_->to_writer.notify_one();
}

Result<void> StateStore::flush(Duration cap) {
    Inner& inner = *inner_;
    std::unique_lock lock(inner.mutex);
    const std::uint64_t goal = inner.queued;
    const std::uint64_t attempts = inner.attempts;
    if (inner.finished >= goal) return {};
    inner.hurry = true;
    inner.to_writer.notify_one();
    const bool answered = inner.from_writer.wait_for(
        lock, cap, [&] { return inner.finished >= goal || inner.attempts != attempts; });
    if (inner.finished >= goal) return {};
    if (!answered)
        return fail(ErrorKind::Timeout, "'" + inner.path + "': the disk takes longer than expected");
    return fail(inner.trouble);
}

Result<std::vector<Event>> StateStore::events_before(std::string_view name, std::uint64_t before,
                                                     std::size_t limit) const {
    auto found = StateDb::open(inner_->path, StateDb::Use::Read).and_then([&](StateDb db) {
        return db.events(name, 0, before, limit, StateDb::Which::Newest);
    });
    if (!found) return fail("'" + inner_->path + "': " + found.error().message);
    return std::move(*found);
}

Result<std::vector<Event>> StateStore::events_after(std::string_view name, std::uint64_t after,
                                                    std::size_t limit) const {
    auto found = StateDb::open(inner_->path, StateDb::Use::Read).and_then([&](StateDb db) {
        return db.events(name, after, UINT64_MAX, limit, StateDb::Which::Oldest);
    });
    if (!found) return fail("'" + inner_->path + "': " + found.error().message);
    return std::move(*found);
}

Result<std::vector<Mark>> StateStore::marks(WallTime since) const {
    auto found =
        StateDb::open(inner_->path, StateDb::Use::Read).and_then([&](StateDb db) { return db.marks(since); });
    if (!found) return fail("'" + inner_->path + "': " + found.error().message);
    return std::move(*found);
}

}  // namespace pmctl
