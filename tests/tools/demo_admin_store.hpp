// What the demo admin service knows, in one SQLite file that lasts: the applications, an event with a rising
// id for each change, and the faults that are asked for. Every process that has the file may change it; who
// serves it hears of that through demo_admin_watch.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shared/result.hpp"
#include "tests/tools/demo_admin_sql.hpp"

namespace pmctl {

// One entry of GET /api/applications. What a supervisor makes of the values is for it to say: none is
// checked.
struct DemoApplication {
    std::string id;
    std::string app;
    std::string name;
    std::string hostname;  // "": none
    std::optional<std::string> db_name;
    std::map<std::string, std::string> env;
    std::optional<std::int64_t> replicas;
    std::optional<bool> enabled;
    std::optional<std::string> version;
};

class DemoStore {
  public:
    using Use = SqlDatabase::Use;
    // Creates what is missing of file and schema; Existing: NotFound where there is no file.
    static Result<DemoStore> open(const std::string& path, Use use);

    Result<std::vector<DemoApplication>> applications();  // sorted by id
    Result<std::uint64_t> newest_event();                 // 0: none yet
    Result<std::string> faults();                         // as they were given; "": none

    // Each is one transaction with its event, whose id comes back.
    Result<std::uint64_t> add(const DemoApplication& application);  // Failed: the id is there already
    Result<std::uint64_t> change(const std::string& id,
                                 const std::function<void(DemoApplication&)>& edit);  // NotFound
    Result<std::uint64_t> remove(const std::vector<std::string>& ids);  // NotFound for one: none goes
    // Forgets all events and begins at 1 again, as a store that was put up anew; what the newest one was.
    Result<std::uint64_t> reset_events();
    Result<void> set_faults(const std::string& list);

  private:
    DemoStore(std::string path, SqlDatabase db) : path_(std::move(path)), db_(std::move(db)) {}
    Result<void> write(const std::function<Result<void>()>& work);
    Result<std::vector<DemoApplication>> applications(const std::string& condition, const std::string& id);
    Result<void> insert(const DemoApplication& application);
    Result<void> forget(const std::string& id);
    Result<std::uint64_t> append_event(const char* kind, const std::string& id);

    std::string path_;
    SqlDatabase db_;
};

}  // namespace pmctl
