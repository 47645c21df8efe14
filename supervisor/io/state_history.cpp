// What StateDb reads of the past: events and marks.
#include <sqlite3.h>

#include <algorithm>

#include "supervisor/io/state_columns.hpp"
#include "supervisor/io/state_db.hpp"

namespace pmctl {

DbResult<std::vector<Event>> StateDb::events(std::string_view name, std::uint64_t after, std::uint64_t before,
                                             std::size_t limit, Which which) {
    const std::string sql =
        std::string("SELECT number, at, name, kind, text FROM events WHERE number > ?1 AND number < ?2") +
        (name.empty() ? "" : " AND name = ?4") + " ORDER BY number" +
        (which == Which::Newest ? " DESC" : "") + " LIMIT ?3";
    const auto query = compile(sql.c_str());
    if (!query) return tl::unexpected(query.error());
    sqlite3_stmt* row = query->get();
    constexpr auto highest = std::uint64_t{1} << 62;  // SQLite's integers have a sign
    bind_all(row, std::min(after, highest), std::min(before, highest), limit);
    if (!name.empty()) bind_value(row, 4, name);
    std::vector<Event> found;
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        found.push_back({column_number<std::uint64_t>(row, 0), column_time(row, 1), column_text(row, 2),
                         column_text(row, 3), column_text(row, 4)});
    }
    if (code != SQLITE_DONE) return tl::unexpected(error(""));
    if (which == Which::Newest) std::ranges::reverse(found);
    return found;
}

// Of all 200,000 that are kept: some 0.2 s. The numbers rise with time even where the clock does not. A
// supervisor says anew what it finds, so of those before `since` none is older than its start. The kinds are
// MarkKind's.
DbResult<std::vector<Mark>> StateDb::marks(WallTime since) {
    const auto query = compile(
        "WITH inside (first) AS (SELECT ifnull(min(number), 1 << 62) FROM marks WHERE at >= ?1), "
        "life (start) AS (SELECT ifnull(max(number), 0) FROM marks, inside WHERE number < first AND mark = "
        "6) "
        "SELECT at, name, mark, took FROM marks, inside WHERE number >= first OR number IN "
        "(SELECT max(number) FROM marks, inside, life WHERE number < first AND number >= start "
        "AND mark IN (0, 1, 2, 6, 7, 8) GROUP BY name) ORDER BY number");
    if (!query) return tl::unexpected(query.error());
    sqlite3_stmt* row = query->get();
    bind_all(row, since);
    std::vector<Mark> found;
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        const int kind = column_number<int>(row, 2);
        if (kind < 0 || kind >= mark_kinds) continue;  // a newer pmctl's
        found.push_back({column_time(row, 0), column_text(row, 1), static_cast<MarkKind>(kind),
                         Duration(column_number<std::int64_t>(row, 3))});
    }
    if (code != SQLITE_DONE) return tl::unexpected(error(""));
    return found;
}

}  // namespace pmctl
