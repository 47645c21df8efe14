#include "supervisor/io/state_columns.hpp"

#include <sqlite3.h>

namespace pmctl {

std::string column_text(sqlite3_stmt* row, int column) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
    return text == nullptr ? std::string()
                           : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(row, column)));
}

std::int64_t column_integer(sqlite3_stmt* row, int column) {
    return sqlite3_column_int64(row, column);
}

WallTime column_time(sqlite3_stmt* row, int column) {
    return WallTime(Duration(column_integer(row, column)));
}

void bind_value(sqlite3_stmt* statement, int place, std::string_view text) {
    sqlite3_bind_text(statement, place, text.data() == nullptr ? "" : text.data(),
                      static_cast<int>(text.size()), SQLITE_STATIC);
}

void bind_value(sqlite3_stmt* statement, int place, std::int64_t number) {
    sqlite3_bind_int64(statement, place, number);
}

void bind_value(sqlite3_stmt* statement, int place, WallTime when) {
    bind_value(statement, place, std::int64_t{when.time_since_epoch().count()});
}

}  // namespace pmctl
