// One call of the admin service and what came of it, as values over the seam. When which call is made is
// admin_provider's; how, over HTTP and TLS, is io/admin_client's.
#pragma once

#include <cstdint>
#include <string>

#include "shared/time.hpp"
#include "supervisor/core/admin_entry.hpp"

namespace pmctl {

// What every call needs; a change closes both connections.
struct AdminAccess {
    std::string secret;          // never to be shown, logged or put on a command line
    std::string application_id;  // X-Application-Id; "": not sent
    std::string ca_file;         // PEM, absolute; "": the system's trust store
    bool insecure = false;       // the certificate is not verified

    bool operator==(const AdminAccess&) const = default;
};

struct AdminCall {
    enum class Kind {
        Fetch,  // GET {url}/api/applications
        Poll,   // GET {url}/api/poll?e=N
    };
    Kind kind = Kind::Fetch;
    std::uint64_t number = 0;  // comes back with the result; rises
    std::string url;           // "https://admin.internal:8443", a path prefix allowed, no final slash
    std::uint64_t event = 0;   // Poll: N
    std::string etag;          // Fetch: If-None-Match; "": not sent
    Duration timeout{};        // from the call to the end of the answer
};

struct AdminResult {
    enum class Kind {
        Answer,       // Fetch, 200: answer, etag
        Event,        // Poll, 200: event, version
        NotModified,  // 304
        NotFound,     // 404
        Refused,      // 401, 403: the secret is not the service's; error
        Failed,       // everything else, a valid status with an unusable body too; error
    };
    Kind kind = Kind::Failed;
    AdminAnswer answer;
    std::string etag;
    std::uint64_t event = 0;
    std::string version;
    // In words, one line, for people: "connection refused", "HTTP 500: database is locked", "the answer is no
    // valid JSON: ...". Holds no secret, and of what the service says at most 200 printable characters.
    std::string error;
    Duration latency{};
};

}  // namespace pmctl
