// A SQLite connection in the few words that the demo admin service's store needs: statements with values in
// and rows out. What is stored is demo_admin_store's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shared/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace pmctl {

using SqlValue = std::variant<std::nullptr_t, std::int64_t, std::string>;

// The row that a statement stands at; for the time of the callback only.
class SqlRow {
  public:
    explicit SqlRow(sqlite3_stmt* statement) : statement_(statement) {}
    [[nodiscard]] std::int64_t number(int column) const;
    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] std::optional<std::int64_t> optional_number(int column) const;
    [[nodiscard]] std::optional<std::string> optional_text(int column) const;

  private:
    sqlite3_stmt* statement_;
};

class SqlDatabase {
  public:
    enum class Use { Create, Existing };
    // Error: Failed, "'PATH': what SQLite says"; Existing: NotFound where there is no file.
    static Result<SqlDatabase> open(const std::string& path, Use use);

    // One statement; `each` is called for each row.
    Result<void> run(
        const char* sql, const std::vector<SqlValue>& values = {},
        const std::function<void(const SqlRow&)>& each = [](const SqlRow&) {});
    Result<void> script(const char* sql);  // several, without values
    // All of `work` or nothing of it; other writers wait (up to 10 s) from its begin to its end.
    Result<void> transaction(const std::function<Result<void>()>& work);
    [[nodiscard]] int changes() const;  // rows that the last statement changed

  private:
    struct Close {
        void operator()(sqlite3* db) const;
    };
    explicit SqlDatabase(std::string path) : path_(std::move(path)) {}
    [[nodiscard]] tl::unexpected<Error> error() const;

    std::string path_;
    std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace pmctl
