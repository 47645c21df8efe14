// Which answers to commands may go out: those whose changes are on the disk, since an intention is before its
// command is answered. The loop does not wait for a disk that is slow; who asked does. What is stored is the
// store's, and the sending is the door's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "supervisor/io/loop.hpp"
#include "supervisor/io/state_store.hpp"

namespace pmctl {

class StoredAnswers {
  public:
    // What a command waits for its disk, at most: then it is answered, and the trouble is told. Each has this
    // time for itself, from when it was asked: an earlier one whose time is up takes no later one along, and
    // a later one's time does not begin anew. At settle() all go.
    static constexpr Duration default_patience = std::chrono::seconds(2);

    // All answers up to this number may go. `trouble`: why they do although it is not stored; "" usually.
    using Released = std::function<void(std::uint64_t number, const std::string& trouble)>;

    // `store` stays the caller's, and ends before this does: its thread may call until then.
    StoredAnswers(Loop& loop, StateStore& store, Released released, Duration patience = default_patience);
    ~StoredAnswers();

    // One more answer waits until all that was queued in the store so far is stored. Never blocks.
    void ask();
    // Its number: of the last one that waits, or waited.
    std::uint64_t asked() const { return asked_; }
    std::uint64_t released() const { return released_; }
    // Those that wait wait here: the loop ends, or another program takes its place.
    void settle();

  private:
    void release(std::uint64_t number, const std::string& trouble);
    void stored(std::uint64_t number, const Result<void>& outcome);
    void set_due();
    void time_is_up();

    struct Due;
    struct Waiting {
        std::uint64_t number;
        TimePoint due;
    };

    Loop& loop_;
    StateStore& store_;
    Released told_;
    Duration patience_;
    std::deque<Waiting> waiting_;  // numbers and times rise
    std::unique_ptr<Due> due_;     // the first one's; a Timer would take a descriptor, which runs may want
    std::uint64_t asked_ = 0;
    std::uint64_t released_ = 0;
};

}  // namespace pmctl
