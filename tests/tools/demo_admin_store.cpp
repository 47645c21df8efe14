#include "tests/tools/demo_admin_store.hpp"

#include "tests/tools/demo_admin_watch.hpp"

namespace pmctl {

namespace {

// WAL: readers and a writer do not wait for each other, and a burst of changes costs no sync each.
constexpr const char* schema = R"(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA foreign_keys = ON;
CREATE TABLE IF NOT EXISTS applications (id TEXT PRIMARY KEY, app TEXT NOT NULL, name TEXT NOT NULL,
    hostname TEXT NOT NULL, db_name TEXT, replicas INTEGER, enabled INTEGER, version TEXT);
CREATE TABLE IF NOT EXISTS variables (application TEXT NOT NULL REFERENCES applications ON DELETE CASCADE,
    name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (application, name));
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, kind TEXT NOT NULL,
    application TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
)";

template <class T>
SqlValue value_or_null(const std::optional<T>& value) {
    if (!value) return nullptr;
    if constexpr (std::is_same_v<T, std::string>)
        return *value;
    else
        return std::int64_t{*value};
}

tl::unexpected<Error> no_such(const std::string& id) {
    return fail(ErrorKind::NotFound, "'" + id + "' is not there; 'list' shows what is");
}

}  // namespace

Result<DemoStore> DemoStore::open(const std::string& path, Use use) {
    auto db = SqlDatabase::open(path, use);
    if (!db) return tl::unexpected(db.error());
    const auto lock = DemoLock::take(path);
    if (!lock) return tl::unexpected(lock.error());
    if (const auto made = db->script(schema); !made) return tl::unexpected(made.error());
    return DemoStore(path, std::move(*db));
}

Result<std::vector<DemoApplication>> DemoStore::applications(const std::string& condition,
                                                             const std::string& id) {
    std::vector<DemoApplication> found;
    const std::string sql =
        "SELECT applications.id, app, applications.name, hostname, db_name, replicas, enabled, version, "
        "variables.name, variables.value FROM applications "
        "LEFT JOIN variables ON variables.application = applications.id " +
        condition + " ORDER BY applications.id, variables.name";
    const std::vector<SqlValue> values =
        condition.empty() ? std::vector<SqlValue>{} : std::vector<SqlValue>{id};
    const auto read = db_.run(sql.c_str(), values, [&found](const SqlRow& row) {
        // One row for each of its variables, and one where it has none.
        if (std::string its_id = row.text(0); found.empty() || found.back().id != its_id) {
            DemoApplication& next = found.emplace_back();
            next.id = std::move(its_id);
            next.app = row.text(1);
            next.name = row.text(2);
            next.hostname = row.text(3);
            next.db_name = row.optional_text(4);
            next.replicas = row.optional_number(5);
            if (const auto enabled = row.optional_number(6)) next.enabled = *enabled != 0;
            next.version = row.optional_text(7);
        }
        if (auto name = row.optional_text(8)) found.back().env.emplace(std::move(*name), row.text(9));
    });
    if (!read) return tl::unexpected(read.error());
    return found;
}

Result<std::vector<DemoApplication>> DemoStore::applications() {
    return applications("", "");
}

Result<std::uint64_t> DemoStore::newest_event() {
    std::uint64_t newest = 0;
    const auto read = db_.run("SELECT max(id) FROM events", {}, [&newest](const SqlRow& row) {
        newest = static_cast<std::uint64_t>(row.number(0));
    });
    if (!read) return tl::unexpected(read.error());
    return newest;
}

Result<std::string> DemoStore::faults() {
    std::string list;
    const auto read = db_.run("SELECT value FROM settings WHERE name = 'faults'", {},
                              [&list](const SqlRow& row) { list = row.text(0); });
    if (!read) return tl::unexpected(read.error());
    return list;
}

Result<std::uint64_t> DemoStore::append_event(const char* kind, const std::string& id) {
    const auto appended = db_.run(
        "INSERT INTO events (at, kind, application) VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?, ?)",
        {std::string(kind), id});
    if (!appended) return tl::unexpected(appended.error());
    return newest_event();
}

Result<void> DemoStore::insert(const DemoApplication& application) {
    auto done = db_.run("INSERT INTO applications VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        {application.id, application.app, application.name, application.hostname,
                         value_or_null(application.db_name), value_or_null(application.replicas),
                         value_or_null(application.enabled), value_or_null(application.version)});
    for (const auto& [name, value] : application.env) {
        if (!done) break;
        done = db_.run("INSERT INTO variables VALUES (?, ?, ?)", {application.id, name, value});
    }
    return done;
}

Result<void> DemoStore::forget(const std::string& id) {
    const auto done = db_.run("DELETE FROM applications WHERE id = ?", {id});
    if (done && db_.changes() == 0) return no_such(id);
    return done;
}

// Told after the commit: who is told must find what is new.
Result<void> DemoStore::write(const std::function<Result<void>()>& work) {
    const auto done = db_.transaction(work);
    if (!done) return done;
    return tell_of_change(path_);
}

Result<std::uint64_t> DemoStore::add(const DemoApplication& application) {
    Result<std::uint64_t> event = 0;
    const auto done = write([&]() -> Result<void> {
        const auto same = applications("WHERE applications.id = ?", application.id);
        if (!same) return tl::unexpected(same.error());
        if (!same->empty()) return fail("'" + application.id + "' is there already; 'set' changes it");
        if (auto inserted = insert(application); !inserted) return inserted;
        event = append_event("add", application.id);
        return event.map([](std::uint64_t) {});
    });
    if (!done) return tl::unexpected(done.error());
    return event;
}

Result<std::uint64_t> DemoStore::change(const std::string& id,
                                        const std::function<void(DemoApplication&)>& edit) {
    Result<std::uint64_t> event = 0;
    const auto done = write([&]() -> Result<void> {
        auto found = applications("WHERE applications.id = ?", id);
        if (!found) return tl::unexpected(found.error());
        if (found->empty()) return no_such(id);
        edit(found->front());
        if (auto gone = forget(id); !gone) return gone;
        if (auto inserted = insert(found->front()); !inserted) return inserted;
        event = append_event("set", id);
        return event.map([](std::uint64_t) {});
    });
    if (!done) return tl::unexpected(done.error());
    return event;
}

Result<std::uint64_t> DemoStore::remove(const std::vector<std::string>& ids) {
    Result<std::uint64_t> event = 0;
    const auto done = write([&]() -> Result<void> {
        for (const std::string& id : ids) {
            if (auto gone = forget(id); !gone) return gone;
            event = append_event("remove", id);
            if (!event) return tl::unexpected(event.error());
        }
        return {};
    });
    if (!done) return tl::unexpected(done.error());
    return event;
}

Result<std::uint64_t> DemoStore::reset_events() {
    Result<std::uint64_t> before = 0;
    const auto done = write([&]() -> Result<void> {
        before = newest_event();
        if (!before) return tl::unexpected(before.error());
        // sqlite_sequence is where AUTOINCREMENT keeps its number: sqlite.org/autoinc.html
        auto gone = db_.script("DELETE FROM events; DELETE FROM sqlite_sequence WHERE name = 'events';");
        if (!gone) return gone;
        return append_event("reset", "").map([](std::uint64_t) {});
    });
    if (!done) return tl::unexpected(done.error());
    return before;
}

Result<void> DemoStore::set_faults(const std::string& list) {
    return write([&] { return db_.run("INSERT OR REPLACE INTO settings VALUES ('faults', ?)", {list}); });
}

}  // namespace pmctl
