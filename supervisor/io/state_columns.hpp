// Values in and out of SQLite's statements: the columns of a row, and what is bound to the places of a
// statement. The statements are state_db's and state_history's.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/time.hpp"

struct sqlite3_stmt;

namespace pmctl {

std::string column_text(sqlite3_stmt* row, int column);
std::int64_t column_integer(sqlite3_stmt* row, int column);
WallTime column_time(sqlite3_stmt* row, int column);
template <class T>
T column_number(sqlite3_stmt* row, int column) {
    return static_cast<T>(column_integer(row, column));
}

// Places count from 1. A text is not copied: it outlives the step.
void bind_value(sqlite3_stmt* statement, int place, std::string_view text);
void bind_value(sqlite3_stmt* statement, int place, std::int64_t number);
void bind_value(sqlite3_stmt* statement, int place, WallTime when);
template <std::integral T>
void bind_value(sqlite3_stmt* statement, int place, T number) {
    bind_value(statement, place, static_cast<std::int64_t>(number));
}

template <class T>
void bind_value(sqlite3_stmt* statement, int place, const std::optional<T>& value) {
    if (value) bind_value(statement, place, *value);  // else NULL, which it is
}

template <class... Values>
void bind_all(sqlite3_stmt* statement, const Values&... values) {
    int place = 0;
    (bind_value(statement, ++place, values), ...);
}

}  // namespace pmctl
