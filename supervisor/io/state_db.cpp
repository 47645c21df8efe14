#include "supervisor/io/state_db.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "supervisor/io/admin_answer.hpp"
#include "supervisor/io/state_columns.hpp"
#include "supervisor/io/state_schema.hpp"

namespace pmctl {

namespace {

// In the order of StateDb::Sql. No index on events' names: one is written for each thing that happens, and
// asked by name when a person does; a hundred thousand rows are walked in some 10 ms.
constexpr std::array sql_texts = {
    "INSERT OR REPLACE INTO intentions VALUES (?, ?, ?)",
    "DELETE FROM intentions WHERE instance = ?",
    "DELETE FROM scales WHERE instance = ?",
    "DELETE FROM runs WHERE instance = ?",
    "DELETE FROM rests WHERE instance = ?",
    "INSERT OR REPLACE INTO scales VALUES (?, ?)",
    "DELETE FROM scales",
    "INSERT OR REPLACE INTO runs (run, instance, replica, pid, port, started_at, fingerprint, role, "
    "restarts, failures, was_healthy, log_name, start_ticks, boot_id, listening, cgroup) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "UPDATE runs SET role = ?2, restarts = ?3, failures = ?4, was_healthy = ?5 WHERE run = ?1",
    "DELETE FROM runs WHERE run = ?",
    "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?)",
    "INSERT INTO numbers VALUES ('next_run', ?1) "
    "ON CONFLICT (name) DO UPDATE SET value = max(value, ?1)",
    "DELETE FROM events WHERE number <= ?",
    "INSERT INTO marks (at, name, mark, took) VALUES (?, ?, ?, ?)",
    "DELETE FROM marks WHERE number <= (SELECT max(number) FROM marks) - ?",
    "INSERT OR REPLACE INTO rests (instance, replica, rest, phase, reason, next_start_at, failures, "
    "restarts, exit_code, fingerprint, port, listening, boot_id) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "DELETE FROM rests WHERE instance = ? AND replica = ?",
    "DELETE FROM rests",
    "INSERT OR REPLACE INTO admin VALUES (1, ?)",
    "DELETE FROM admin",
    "BEGIN IMMEDIATE",
    "COMMIT",
};

std::string_view role_text(RunRole role) {
    switch (role) {
        case RunRole::Current: return "current";
        case RunRole::Candidate: return "candidate";
        case RunRole::Outgoing: return "outgoing";
    }
    return "";
}

std::string_view rest_text(Rest rest) {
    switch (rest) {
        case Rest::AtRest: return "at_rest";
        case Rest::Waiting: return "waiting";
        case Rest::Blocked: return "blocked";
        case Rest::NoPort: return "no_port";
    }
    return "";
}

RestRecord column_rest(sqlite3_stmt* row) {
    RestRecord found;
    found.instance = column_text(row, 0);
    found.replica = column_number<std::uint32_t>(row, 1);
    found.rest = column_text(row, 2) == rest_text(Rest::AtRest) ? Rest::AtRest : Rest::Waiting;
    found.phase = column_text(row, 3) == to_text(Phase::Stopped) ? Phase::Stopped : Phase::Failed;
    found.reason = column_text(row, 4);
    found.next_start_at = column_time(row, 5);
    found.failures = column_number<std::uint32_t>(row, 6);
    found.restarts = column_number<std::uint64_t>(row, 7);
    if (sqlite3_column_type(row, 8) == SQLITE_INTEGER) found.exit_code = column_number<int>(row, 8);
    found.fingerprint = column_text(row, 9);
    found.port = column_number<std::uint16_t>(row, 10);
    found.listening = column_number<int>(row, 11) != 0;
    found.boot_id = column_text(row, 12);
    return found;
}

RunRecord column_run(sqlite3_stmt* row) {
    RunRecord found;
    found.run = column_number<RunNumber>(row, 0);
    found.instance = column_text(row, 1);
    found.replica = column_number<std::uint32_t>(row, 2);
    found.pid = column_number<int>(row, 3);
    found.port = column_number<std::uint16_t>(row, 4);
    found.started_at = column_time(row, 5);
    found.fingerprint = column_text(row, 6);
    const std::string role = column_text(row, 7);
    found.role = role == "candidate"  ? RunRole::Candidate
                 : role == "outgoing" ? RunRole::Outgoing
                                      : RunRole::Current;
    found.restarts = column_number<std::uint64_t>(row, 8);
    found.failures = column_number<std::uint32_t>(row, 9);
    found.was_healthy = column_number<int>(row, 10) != 0;
    found.log_name = column_text(row, 11);
    found.start_ticks = column_number<std::uint64_t>(row, 12);
    found.boot_id = column_text(row, 13);
    found.listening = column_number<int>(row, 14) != 0;
    found.cgroup = column_text(row, 15);
    return found;
}

}  // namespace

bool DbError::damaged() const {
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

bool DbError::wants_reopen() const {
    return code != SQLITE_FULL && code != SQLITE_BUSY;
}

void StateDb::Close::operator()(sqlite3* db) const {
    sqlite3_close_v2(db);  // v2: statements may be finalized after it
}

void StateDb::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

DbError StateDb::error(std::string_view what) const {
    DbError found{sqlite3_errcode(db_.get()) & 0xff, std::string(what)};
    if (!found.message.empty()) found.message += ": ";
    found.message += sqlite3_errmsg(db_.get());
    return found;
}

DbResult<void> StateDb::execute(const char* sql) {
    if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
        return tl::unexpected(error(""));
    return {};
}

DbResult<StateDb::Statement> StateDb::compile(const char* sql) const {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db_.get(), sql, -1, &raw, nullptr) != SQLITE_OK) return tl::unexpected(error(""));
    return Statement(raw);
}

DbResult<std::int64_t> StateDb::number(const char* sql) {
    const auto found = compile(sql);
    if (!found) return tl::unexpected(found.error());
    if (sqlite3_step(found->get()) != SQLITE_ROW) return tl::unexpected(error(""));
    return sqlite3_column_int64(found->get(), 0);
}

DbResult<StateDb> StateDb::open(const std::string& path, Use use) {
    StateDb opened;
    sqlite3* raw = nullptr;
    // NOMUTEX: one thread at a time uses a connection, as sqlite.org/threadsafe.html asks.
    const int flags = SQLITE_OPEN_NOMUTEX |
                      (use == Use::Write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    opened.db_.reset(raw);
    if (code != SQLITE_OK) return tl::unexpected(opened.error(""));
    sqlite3_db_config(raw, SQLITE_DBCONFIG_LOOKASIDE, nullptr, 0, 0);
    sqlite3_busy_timeout(raw, use == Use::Write ? 2000 : 100);
    // 256 KiB of pages: the store is written in order and hardly read.
    auto done = opened.execute("PRAGMA cache_size = -256; PRAGMA temp_store = MEMORY;");
    if (done && use == Use::Write) done = opened.prepare_schema();
    if (!done) return tl::unexpected(done.error());
    return opened;
}

DbResult<void> StateDb::check(const std::string& path) {
    return open(path, Use::Read).and_then([](StateDb db) -> DbResult<void> {
        const auto version = db.version();
        if (!version) return tl::unexpected(version.error());
        const auto runs = db.number("SELECT count(*) FROM runs");
        if (!runs) return tl::unexpected(runs.error());
        return {};
    });
}

DbResult<std::int64_t> StateDb::version() {
    auto version = number("PRAGMA user_version");
    if (!version) return version;
    const auto application = number("PRAGMA application_id");
    const auto tables = number("SELECT count(*) FROM sqlite_master");
    if (!application || !tables) return tl::unexpected((!application ? application : tables).error());
    const bool is_new = *version == 0 && *tables == 0;
    if (!is_new && (*application != application_id || *version == 0))
        return tl::unexpected(DbError{SQLITE_NOTADB, "a database, but not one of pmctl"});
    if (*version > schema_version) {
        return tl::unexpected(DbError{SQLITE_NOTADB, "written by a newer pmctl (schema " +
                                                         std::to_string(*version) + ", this one reads " +
                                                         std::to_string(schema_version) + ")"});
    }
    return version;
}

DbResult<void> StateDb::prepare_schema() {
    const auto version = this->version();
    if (!version) return tl::unexpected(version.error());
    // WAL: a commit is one append, and readers do not wait. Checkpointed at 1 MiB.
    auto done = execute(
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 256;"
        "PRAGMA journal_size_limit = 4194304; PRAGMA synchronous = NORMAL;");
    for (auto step = static_cast<std::size_t>(*version); done && step < schema_steps.size(); ++step) {
        done = execute(schema_steps.at(step));
        if (!done) rollback();
    }
    if (done) done = execute(added_tables);
    return done;
}

DbResult<sqlite3_stmt*> StateDb::statement(Sql which) {
    static_assert(sql_texts.size() == SqlCount);
    Statement& kept = statements_.at(which);
    if (!kept) {
        auto compiled = compile(sql_texts.at(which));
        if (!compiled) return tl::unexpected(compiled.error());
        kept = std::move(*compiled);
    }
    return kept.get();
}

DbResult<void> StateDb::finish(sqlite3_stmt* statement) const {
    const int code = sqlite3_step(statement);
    DbResult<void> done;
    if (code != SQLITE_DONE) done = tl::unexpected(error(""));
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return done;
}

DbResult<void> StateDb::run(Sql which) {
    return statement(which).and_then([this](sqlite3_stmt* found) { return finish(found); });
}

DbResult<void> StateDb::run(Sql which, std::int64_t value) {
    return statement(which).and_then([&](sqlite3_stmt* found) {
        bind_all(found, value);
        return finish(found);
    });
}

DbResult<void> StateDb::run(Sql which, std::string_view text) {
    return statement(which).and_then([&](sqlite3_stmt* found) {
        bind_all(found, text);
        return finish(found);
    });
}

DbResult<void> StateDb::begin(Durability durability) {
    if (durability != durability_) {
        // A commit that is synced takes the unsynced ones before it along: they are in the same file.
        const auto set = execute(durability == Durability::Disk ? "PRAGMA synchronous = FULL"
                                                                : "PRAGMA synchronous = NORMAL");
        if (!set) return set;
        durability_ = durability;
    }
    return run(Begin);
}

DbResult<void> StateDb::commit() {
    return run(Commit);
}

void StateDb::rollback() {
    // Fails only where there is nothing to roll back: SQLite has done so itself.
    if (sqlite3_get_autocommit(db_.get()) == 0)
        sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

DbResult<void> StateDb::set_next_run(RunNumber number) {
    return run(SetNextRun, static_cast<std::int64_t>(number));
}

DbResult<void> StateDb::prune_events(std::uint64_t up_to) {
    return run(PruneEvents, static_cast<std::int64_t>(up_to));
}

DbResult<void> StateDb::prune_marks(std::uint64_t kept) {
    return run(PruneMarks, static_cast<std::int64_t>(kept));
}

DbResult<void> StateDb::apply(const StoreWrite& write) {
    using Kind = StoreWrite::Kind;
    const auto bound = [this](Sql which, const auto&... values) {
        return statement(which).and_then([&](sqlite3_stmt* found) {
            bind_all(found, values...);
            return finish(found);
        });
    };
    switch (write.kind) {
        case Kind::SetIntention: {
            const Intention& wish = write.intention;
            const std::string_view wanted = wish.wanted == Wanted::Running ? "running" : "stopped";
            return bound(SetIntention, wish.instance, wish.replica, wanted);
        }
        case Kind::ForgetInstance:
            return run(ForgetIntentions, write.intention.instance)
                .and_then([&] { return run(ForgetScale, write.intention.instance); })
                .and_then([&] { return run(ForgetRuns, write.intention.instance); })
                .and_then([&] { return run(ForgetRests, write.intention.instance); });
        case Kind::SetScale: return bound(SetScale, write.intention.instance, write.number);
        case Kind::ClearScales: return run(ClearScales);
        case Kind::RunStarted: {
            const RunRecord& begun = write.run;
            return bound(RunStarted, begun.run, begun.instance, begun.replica, begun.pid, begun.port,
                         begun.started_at, begun.fingerprint, role_text(begun.role), begun.restarts,
                         begun.failures, begun.was_healthy, begun.log_name, begun.start_ticks, begun.boot_id,
                         begun.listening, begun.cgroup)
                .and_then([&]() -> DbResult<void> {
                    if (begun.role != RunRole::Current) return {};
                    return bound(EndRest, begun.instance, begun.replica);
                });
        }
        case Kind::RunChanged: {
            const RunRecord& now = write.run;
            return bound(RunChanged, now.run, role_text(now.role), now.restarts, now.failures,
                         now.was_healthy);
        }
        case Kind::RunEnded: return run(RunEnded, static_cast<std::int64_t>(write.run.run));
        case Kind::AppendEvent: {
            const Event& event = write.event;
            return bound(AppendEvent, event.number, event.at, event.name, event.kind, event.text);
        }
        case Kind::AppendMark: {
            const Mark& mark = write.mark;
            return bound(AppendMark, mark.at, mark.name, static_cast<int>(mark.kind), mark.took.count());
        }
        case Kind::SetNextRun: return set_next_run(write.number);
        case Kind::SetRest: {
            const RestRecord& rest = *write.rest;
            return bound(SetRest, rest.instance, rest.replica, rest_text(rest.rest), to_text(rest.phase),
                         rest.reason, rest.next_start_at, rest.failures, rest.restarts, rest.exit_code,
                         rest.fingerprint, rest.port, rest.listening, rest.boot_id);
        }
        case Kind::ClearRests: return run(ClearRests);
        case Kind::SetAdmin:
            if (!write.admin) return run(ForgetAdmin);
            return run(SetAdmin, std::string_view(admin_snapshot_text(*write.admin)));
    }
    return {};
}

DbResult<StoredState> StateDb::read(std::size_t recent_events) {
    StoredState state;
    const auto each = [this](const char* sql, const auto& take) -> DbResult<void> {
        const auto query = compile(sql);
        if (!query) return tl::unexpected(query.error());
        int code = SQLITE_ROW;
        while ((code = sqlite3_step(query->get())) == SQLITE_ROW) take(query->get());
        if (code != SQLITE_DONE) return tl::unexpected(error(""));
        return {};
    };
    DbResult<void> done = each("SELECT instance, replica, wanted FROM intentions", [&](sqlite3_stmt* row) {
        state.intentions.push_back({column_text(row, 0), column_number<std::uint32_t>(row, 1),
                                    column_text(row, 2) == "stopped" ? Wanted::Stopped : Wanted::Running});
    });
    if (done) {
        done = each("SELECT instance, replicas FROM scales", [&](sqlite3_stmt* row) {
            state.scales[column_text(row, 0)] = column_number<std::uint32_t>(row, 1);
        });
    }
    if (done) {
        done = each(
            "SELECT run, instance, replica, pid, port, started_at, fingerprint, role, restarts, failures, "
            "was_healthy, log_name, start_ticks, boot_id, listening, cgroup FROM runs ORDER BY run",
            [&](sqlite3_stmt* row) { state.runs.push_back(column_run(row)); });
    }
    if (done) {
        done = each(
            "SELECT instance, replica, rest, phase, reason, next_start_at, failures, restarts, exit_code, "
            "fingerprint, port, listening, boot_id FROM rests",
            [&](sqlite3_stmt* row) { state.rests.push_back(column_rest(row)); });
    }
    if (done) {
        done = each("SELECT value FROM numbers WHERE name = 'next_run'", [&](sqlite3_stmt* row) {
            state.next_run = std::max(state.next_run, column_number<RunNumber>(row, 0));
        });
    }
    if (done) {
        done = each("SELECT snapshot FROM admin", [&](sqlite3_stmt* row) {
            auto snapshot = parse_admin_snapshot(column_text(row, 0));
            if (snapshot) {
                state.admin = std::make_shared<const AdminSnapshot>(std::move(*snapshot));
            } else {
                state.admin_fault = snapshot.error().message;
            }
        });
    }
    if (!done) return tl::unexpected(done.error());
    auto recent = events("", 0, UINT64_MAX, recent_events, Which::Newest);
    if (!recent) return tl::unexpected(recent.error());
    state.events = std::move(*recent);
    if (!state.events.empty()) state.last_event = state.events.back().number;
    if (!state.runs.empty()) state.next_run = std::max(state.next_run, state.runs.back().run + 1);
    return state;
}

}  // namespace pmctl
