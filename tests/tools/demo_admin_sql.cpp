#include "tests/tools/demo_admin_sql.hpp"

#include <sqlite3.h>
#include <unistd.h>

namespace pmctl {

namespace {

constexpr int longest_wait_ms = 10'000;  // for another writer

struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

struct Binder {
    sqlite3_stmt* statement;
    int place;

    void operator()(std::nullptr_t) const { sqlite3_bind_null(statement, place); }
    void operator()(std::int64_t number) const { sqlite3_bind_int64(statement, place, number); }
    // Not copied: the values outlive the statement.
    void operator()(const std::string& text) const {
        sqlite3_bind_text(statement, place, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    }
};

}  // namespace

std::int64_t SqlRow::number(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::string SqlRow::text(int column) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    if (text == nullptr) return {};
    return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::optional<std::int64_t> SqlRow::optional_number(int column) const {
    if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
    return number(column);
}

std::optional<std::string> SqlRow::optional_text(int column) const {
    if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
    return text(column);
}

void SqlDatabase::Close::operator()(sqlite3* db) const {
    sqlite3_close_v2(db);
}

tl::unexpected<Error> SqlDatabase::error() const {
    return fail("'" + path_ + "': " + sqlite3_errmsg(db_.get()));
}

Result<SqlDatabase> SqlDatabase::open(const std::string& path, Use use) {
    if (use == Use::Existing && ::access(path.c_str(), F_OK) != 0)
        return fail(
            ErrorKind::NotFound,
            "'" + path + "' is not there; 'serve' and 'add' make it, and --db or $DEMO_ADMIN_DB name it");
    SqlDatabase opened(path);
    sqlite3* raw = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | (use == Use::Create ? SQLITE_OPEN_CREATE : 0);
    const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    opened.db_.reset(raw);
    if (code != SQLITE_OK) return opened.error();
    sqlite3_busy_timeout(raw, longest_wait_ms);
    return opened;
}

Result<void> SqlDatabase::run(const char* sql, const std::vector<SqlValue>& values,
                              const std::function<void(const SqlRow&)>& each) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db_.get(), sql, -1, &raw, nullptr) != SQLITE_OK) return error();
    const std::unique_ptr<sqlite3_stmt, Finalize> statement(raw);
    int place = 0;
    for (const SqlValue& value : values) std::visit(Binder{raw, ++place}, value);
    for (;;) {
        const int code = sqlite3_step(raw);
        if (code == SQLITE_DONE) return {};
        if (code != SQLITE_ROW) return error();
        each(SqlRow(raw));
    }
}

Result<void> SqlDatabase::script(const char* sql) {
    if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error();
    return {};
}

Result<void> SqlDatabase::transaction(const std::function<Result<void>()>& work) {
    if (const auto begun = run("BEGIN IMMEDIATE"); !begun) return begun;
    auto done = work();
    if (done) done = run("COMMIT");
    if (!done) static_cast<void>(run("ROLLBACK"));  // what went wrong before is what is said
    return done;
}

int SqlDatabase::changes() const {
    return sqlite3_changes(db_.get());
}

}  // namespace pmctl
