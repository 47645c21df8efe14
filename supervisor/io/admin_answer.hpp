// What the admin service answers, from JSON text to values, and our own text of the state in force. An answer
// is refused whole or taken with single entries left out; which of the fields count, and whether an instance
// can be made of them, is admin_merge's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/result.hpp"
#include "supervisor/core/admin_entry.hpp"

namespace pmctl {

constexpr std::size_t max_admin_answer_bytes = std::size_t{16} << 20;
constexpr std::size_t max_admin_entries = 100'000;

// What one value may be: longer ones are no mistake that anybody wants to run.
constexpr std::size_t max_admin_text_bytes = 4096;
constexpr std::size_t max_admin_variable_bytes = std::size_t{64}
                                                 << 10;  // Linux: 128 KiB with the name, execve(2)
constexpr std::size_t max_admin_variables = 1000;
constexpr std::size_t max_admin_list = 256;

// The body of GET /api/applications. An entry's fields, by the service's names:
//
//   instanceId           its id                    version         version; a number becomes its text
//   appId                app                       env             env.NAME each, strings alone
//   displayName          description               KEY             any key of an instance: same rules as in
//   files hostName, hostNames  hostname, a list          TABLE = {KEY}   TABLE.KEY, such as health.path
//   dbName               db_name                   other           ignored
//
// null is the same as absent, and so is "" for hostName. Where "displayName" and "description" both come, the
// former counts; so for each of those above. Hostnames are lower case and without the final dot.
//
// Error: Failed, one line: no valid JSON, over max_admin_answer_bytes, no array "applications" in an object,
// more than max_admin_entries, an id twice. An entry with a field that is not allowed is among `left_out`,
// with its id ("entry 7" counts from 1, where there is none); no reason shows the value of a variable.
Result<AdminAnswer> parse_admin_answer(std::string_view body);

struct AdminEvent {
    std::uint64_t id = 0;  // up to the largest of std::int64_t
    std::string version;   // printable, at most about 200 bytes; "": none was named

    bool operator==(const AdminEvent&) const = default;
};

// The body of a 200 of GET /api/poll. Error: Failed, one line.
Result<AdminEvent> parse_admin_event(std::string_view body);

// Our own form, JSON too; what is in it comes back exactly as it was, if all strings are UTF-8.
std::string admin_snapshot_text(const AdminSnapshot& snapshot);
// Error: Failed, one line: the text is not what admin_snapshot_text makes. Whether a key still exists and its
// value is allowed is not looked at, since the supervisor may be another one than that which wrote it.
Result<AdminSnapshot> parse_admin_snapshot(std::string_view text);

}  // namespace pmctl
