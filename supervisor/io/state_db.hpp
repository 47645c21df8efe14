// The database file of the store (SQLite): its schema, and each write and read as a statement. It blocks, and
// is for one thread at a time; the queue before it, and what is done when it fails, are state_store's.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "supervisor/effects.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace pmctl {

// All that an earlier supervisor of this state_dir left.
struct StoredState {
    std::vector<Intention> intentions;
    std::map<std::string, std::uint32_t> scales;  // instance → replicas
    std::vector<RunRecord> runs;                  // begun, and never reported as ended
    std::vector<RestRecord> rests;
    RunNumber next_run = 1;
    std::uint64_t last_event = 0;
    std::vector<Event> events;                   // the most recent, oldest first
    std::shared_ptr<const AdminSnapshot> admin;  // null: none
    std::string admin_fault;                     // why there is none where something was stored; "" usually
};

struct DbError {
    int code = 0;  // SQLite's primary result code: sqlite3.h
    std::string message;

    // The file's content is at fault: the next try would fail as this one did.
    [[nodiscard]] bool damaged() const;
    // A new connection may help, where the old one has lost its files.
    [[nodiscard]] bool wants_reopen() const;
};
template <class T>
using DbResult = tl::expected<T, DbError>;

class StateDb {
  public:
    enum class Use { Write, Read };
    // Write: creates what is missing, schema included, and checks that the file is a store of ours.
    static DbResult<StateDb> open(const std::string& path, Use use);
    // Could this program go on with that file? Changes nothing.
    static DbResult<void> check(const std::string& path);

    DbResult<StoredState> read(std::size_t recent_events);
    // In (after, before), oldest first; name "": of any. Newest: the last `limit` of them, else the first.
    enum class Which { Oldest, Newest };
    DbResult<std::vector<Event>> events(std::string_view name, std::uint64_t after, std::uint64_t before,
                                        std::size_t limit, Which which);

    // See Effects::marks.
    DbResult<std::vector<Mark>> marks(WallTime since);

    // Durable: on the disk when commit returns, not only safe from the death of this process.
    enum class Durability { Process, Disk };
    DbResult<void> begin(Durability durability);
    DbResult<void> apply(const StoreWrite& write);
    DbResult<void> set_next_run(RunNumber number);  // kept if the stored one is higher
    DbResult<void> prune_events(std::uint64_t up_to);
    DbResult<void> prune_marks(std::uint64_t kept);  // all but the newest so many
    DbResult<void> commit();
    void rollback();

  private:
    enum Sql {
        SetIntention,
        ForgetIntentions,
        ForgetScale,
        ForgetRuns,
        ForgetRests,
        SetScale,
        ClearScales,
        RunStarted,
        RunChanged,
        RunEnded,
        AppendEvent,
        SetNextRun,
        PruneEvents,
        AppendMark,
        PruneMarks,
        SetRest,
        EndRest,
        ClearRests,
        SetAdmin,
        ForgetAdmin,
        Begin,
        Commit,
        SqlCount
    };
    struct Close {
        void operator()(sqlite3* db) const;
    };
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

    StateDb() = default;
    DbError error(std::string_view what) const;
    DbResult<void> execute(const char* sql);
    DbResult<std::int64_t> number(const char* sql);
    // Of a store that this program can go on with; 0: a new file.
    DbResult<std::int64_t> version();
    DbResult<void> prepare_schema();
    DbResult<Statement> compile(const char* sql) const;
    // Its statement, compiled once and ready to be bound.
    DbResult<sqlite3_stmt*> statement(Sql which);
    DbResult<void> run(Sql which);
    DbResult<void> run(Sql which, std::int64_t value);
    DbResult<void> run(Sql which, std::string_view text);
    DbResult<void> finish(sqlite3_stmt* statement) const;

    std::unique_ptr<sqlite3, Close> db_;
    std::array<Statement, SqlCount> statements_;  // declared after db_: finalized before it is closed
    Durability durability_ = Durability::Process;
};

}  // namespace pmctl
