// What the admin service says of its instances, as plain values: one entry an instance, field by field under
// the key that it sets. Which fields count and what they make of an instance is admin_merge's; JSON is
// io/admin_answer's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/time.hpp"
#include "supervisor/core/settings.hpp"

namespace pmctl {

// `key`: a key of an instance ("app", "hostname", "description", "replicas", "health.path"), "env.NAME" for
// each variable, and two that files do not know: "version" and "db_name".
struct AdminField {
    std::string key;
    Value value;

    bool operator==(const AdminField&) const = default;
};

struct AdminEntry {
    std::string id;
    std::uint64_t event = 0;         // the service's event with which it came in this form; 0: not known
    std::vector<AdminField> fields;  // sorted by key, each once

    bool operator==(const AdminEntry&) const = default;
};

// One complete and valid answer to GET /api/applications.
struct AdminAnswer {
    std::vector<AdminEntry> entries;  // sorted by id, each id once
    std::vector<AdminOmission>
        left_out;  // entries that are no entries: a path in the id, a field of a wrong type

    bool operator==(const AdminAnswer&) const = default;
};

// The state in force, as the store keeps it for the next supervisor.
struct AdminSnapshot {
    std::vector<AdminEntry> entries;  // sorted by id
    std::uint64_t event = 0;          // the last one seen
    std::string etag;                 // of the answer that the entries came from; "" where there was none
    WallTime fetched_at{};

    bool operator==(const AdminSnapshot&) const = default;
};

}  // namespace pmctl
