// What outlasts the supervisor: `<state_dir>/state.db`. Writes are queued here and executed in order by one
// thread of its own, so that the loop never waits for a disk; the statements are state_db's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/result.hpp"
#include "shared/time.hpp"
#include "supervisor/effects.hpp"
#include "supervisor/io/state_db.hpp"

namespace pmctl {

struct StoreLimits {
    std::size_t recent_events = 1000;     // read at open
    std::uint64_t kept_events = 100'000;  // older ones are pruned, 4,096 at a time
    std::uint64_t kept_marks = 200'000;   // the same
    std::size_t queued_writes = 100'000;  // while the disk refuses: beyond, the oldest events go
    // How long the writer gathers after a first write, so that a burst is a few transactions. Intentions do
    // not wait, nor does flush.
    Duration gather = std::chrono::milliseconds(10);
    Duration retry_first = std::chrono::milliseconds(250);  // after a failure; doubled with each
    Duration retry_longest = std::chrono::seconds(30);
};

class StateStore {
  public:
    // Called ON THE WRITER'S THREAD, once when writing begins to fail and once when it works again, with a
    // sentence for the log: hand it to the loop by asio::post on its context, which is safe from any thread.
    using OnTrouble = std::function<void(std::string)>;

    // Creates the folder (0700) and the database (0600) where they are missing. A database that is damaged,
    // somebody else's or newer is set aside as `state.db.damaged-<UTC time>`, and notice() says so. Error:
    // Failed, where the folder or file cannot be read or written.
    static Result<std::unique_ptr<StateStore>> open(const std::string& state_dir, OnTrouble on_trouble,
                                                    const StoreLimits& limits = {});
    // Could this program go on with what is stored there? Nothing is well, too; nothing is changed. Error:
    // why not.
    static Result<void> check(const std::string& state_dir);
    // As finish, and waits for it; what is lost is said.
    ~StateStore();
    StateStore(const StateStore&) = delete;
    StateStore& operator=(const StateStore&) = delete;

    // What open had to do, for the operator; "" usually.
    [[nodiscard]] const std::string& notice() const;
    // What was there when it was opened; handed over once.
    StoredState load();

    // Never waits, never fails: from the loop's thread.
    void write(StoreWrite write);
    // The same, but a sleeping writer is left asleep: true when wake() is due. A start should not share the
    // processors with its own record, which is not written for another `gather` anyway.
    bool queue(StoreWrite write);
    void wake();
    // Blocks until all that was written before is stored (intentions: on the disk), at most `cap`. At once
    // where nothing is queued. Error: Timeout, or Failed with the disk's reason after a new try; the writes
    // stay queued all the same.
    Result<void> flush(Duration cap);

    // Nothing more comes: the writer writes what is queued and closes the file, while this returns at once.
    // What a disk that is full refuses to take at the last try is lost.
    void finish();

    // The same without waiting: `stored` is called once, ON THE WRITER'S THREAD, when flush would return.
    // False: nothing is queued, and nobody is called.
    using OnStored = std::function<void(Result<void>)>;
    bool tell_when_stored(OnStored stored);

    // Of one name ("": of any), oldest first: the last `limit` before number `before`, or the first `limit`
    // after number `after`. Reads the disk, so for what people ask; what is queued is not in it yet.
    [[nodiscard]] Result<std::vector<Event>> events_before(std::string_view name, std::uint64_t before,
                                                           std::size_t limit) const;
    [[nodiscard]] Result<std::vector<Event>> events_after(std::string_view name, std::uint64_t after,
                                                          std::size_t limit) const;
    // See Effects::marks, but for what is queued.
    [[nodiscard]] Result<std::vector<Mark>> marks(WallTime since) const;

  private:
    struct Inner;
    explicit StateStore(std::unique_ptr<Inner> inner);
    std::unique_ptr<Inner> inner_;
};

}  // namespace pmctl
