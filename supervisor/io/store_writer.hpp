// The store's queue and the thread that empties it, which StateStore is the front of.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "supervisor/io/state_store.hpp"

namespace pmctl {

// What an operator asked for: on the disk before the answer goes out.
bool is_intention(const StoreWrite& write);

struct StateStore::Inner {
    static constexpr std::uint64_t prune_every = 4096;  // events, marks

    Inner(StateDb opened, std::string file, OnTrouble callback, const StoreLimits& bounds)
        : db(std::move(opened)), path(std::move(file)), on_trouble(std::move(callback)), limits(bounds) {}

    // One that is to be told.
    struct Waiting {
        std::uint64_t until;    // when so many are settled
        std::uint64_t attempt;  // the last one that had begun when it was asked for
        OnStored stored;
    };

    // The writer's thread.
    void work();
    DbResult<void> write_some();
    void failed(const DbError& error, std::unique_lock<std::mutex>& lock);
    void worked(std::unique_lock<std::mutex>& lock);
    void make_room();  // with the mutex held
    void tell_waiting(std::unique_lock<std::mutex>& lock, const Result<void>& outcome);

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
    std::uint64_t taken = 0;    // of those queued: in this batch, or one before
    std::uint64_t settled = 0;  // of those taken: in batches that are stored
    std::vector<Waiting> waiting;
    std::uint64_t finished = 0;        // of those queued: stored or dropped
    std::uint64_t attempt = 0;         // the number of the last one that has begun
    std::uint64_t failed_attempt = 0;  // who asked while one was under way is not told of its failure
    std::uint64_t lost_events = 0;
    RunNumber next_run_of_dropped = 0;
    std::string trouble;  // "": none
    std::thread writer;
};

}  // namespace pmctl
