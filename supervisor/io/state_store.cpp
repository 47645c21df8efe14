#include "supervisor/io/state_store.hpp"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "supervisor/io/state_files.hpp"
#include "supervisor/io/store_writer.hpp"

namespace pmctl {

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
    const std::uint64_t begun = inner.attempt;
    if (inner.finished >= goal) return {};
    inner.hurry = true;
    inner.to_writer.notify_one();
    const bool answered = inner.from_writer.wait_for(
        lock, cap, [&] { return inner.finished >= goal || inner.failed_attempt > begun; });
    if (inner.finished >= goal) return {};
    if (!answered)
        return fail(ErrorKind::Timeout, "'" + inner.path + "': the disk takes longer than expected");
    return fail(inner.trouble);
}

bool StateStore::tell_when_stored(OnStored stored) {
    Inner& inner = *inner_;
    {
        const std::lock_guard lock(inner.mutex);
        if (inner.settled >= inner.queued) return false;
        inner.waiting.push_back({inner.queued, inner.attempt, std::move(stored)});
        inner.hurry = true;
    }
    inner.to_writer.notify_one();
    return true;
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
