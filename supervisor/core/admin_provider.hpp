// When the admin service is asked what, and what its answers mean: two lines of calls, each with at most one
// under way. A fetch brings all entries; a poll is held by the service until there is a new event, which
// makes a fetch wanted. How a call is made is io/admin_client's, what the entries make of the configuration
// is admin_merge's.
//
//   poll answers      then
//   event M >= N      a fetch; the next poll at once, in a burst after a moment
//   event M < N - 1   the service's store was reset: M counts from now on, a fetch of everything
//   304, M = N - 1    the next poll at once; a conditional fetch, in case an event was lost
//   404               fetched every poll_interval instead; polled again now and then
//   failure           backoff; a conditional fetch, which tells whether the service is there at all
//
//   Answers that come at once and tell nothing new are paced after the third.
//
//   A fetch follows the first event after rest at once. Others while it is under way, or within a burst, are
//   gathered until there was none for a moment, a second at most.
//
// The last good state stays in force whatever happens. Failures wait 1 s, doubled up to 30 s, with jitter, by
// line; one who refuses the secret is asked every 30 to 60 s.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/core/admin_call.hpp"
#include "supervisor/core/config.hpp"
#include "supervisor/core/recent_latencies.hpp"

namespace pmctl {

// One of the two lines.
struct AdminLine {
    std::uint64_t call = 0;                // under way; 0: none
    TimePoint begun{};                     // of this call, or the last
    TimePoint overdue = TimePoint::max();  // the call has no answer even by then
    TimePoint due = TimePoint::max();      // of the next call, once none is under way; max: not wanted
    std::uint32_t failures = 0;            // in a row
};

struct AdminTrouble {
    TimePoint begun{};
    WallTime since{};
    std::string why;       // the last failure, in words
    bool refused = false;  // the service does not accept the secret
    std::uint64_t failures = 0;
};

struct AdminProvider {
    std::string url;  // "": not known, nothing is asked
    AdminSnapshot in_force;
    std::vector<AdminOmission> left_out;  // of the last answer: entries that are no entries
    std::vector<std::string> held;        // in force, though the last answer no longer had them: mass removal
    TimePoint held_since{};

    AdminLine fetch;
    AdminLine poll;
    std::uint64_t last_call = 0;
    bool full = true;                         // the next fetch goes without If-None-Match
    bool full_under_way = false;              // the one that is under way went so
    TimePoint unserved = TimePoint::max();    // first event that no fetch was begun for
    TimePoint gather = TimePoint::max();      // when the fetch for events is due
    TimePoint last_event = TimePoint::min();  // when it was heard of
    TimePoint serving = TimePoint::max();     // `unserved` as the fetch under way began
    TimePoint cause{};                        // of the last answer: event, or begin of the fetch

    bool has_poll = true;        // false: 404
    std::uint32_t quick = 0;     // polls in a row that were answered at once with nothing new
    std::uint32_t setbacks = 0;  // events that went backwards, within a minute of each other
    TimePoint last_setback = TimePoint::min();

    std::optional<AdminTrouble> trouble;       // fetches fail
    std::optional<AdminTrouble> poll_trouble;  // polls do, and fetches do not
    std::optional<WallTime> succeeded_at;      // the last call that did not fail
    RecentLatencies latencies;                 // from event, or begin of the fetch, to what came of it
    TimePoint store_at = TimePoint::max();     // in_force is to be stored by then
};

// The service's address is known, another one, or (with "") not known any longer. With the same address
// nothing happens unless `anew`: another secret, other settings.
struct AdminReach {
    std::string url;
    bool anew = false;
    bool same_service = true;  // at another address; false: its event ids mean nothing for this one
};
struct AdminReplied {
    std::uint64_t number = 0;
    AdminResult result;
};
struct AdminWoke {};
using ProviderEvent = std::variant<AdminReach, AdminReplied, AdminWoke>;

struct AdminActions {
    struct News {
        std::string text;
        bool bad = false;
    };
    bool drop = false;             // before `calls`: both connections and what is under way on them
    std::vector<AdminCall> calls;  // at most one of a kind
    bool apply = false;            // in_force.entries are others
    bool omissions = false;        // left_out is another
    bool store = false;            // in_force is to be stored
    std::vector<News> news;        // for people, in words
};

// `chance` in [0, 1): jitter.
AdminActions step(AdminProvider& provider, ProviderEvent event, Now now, double chance,
                  const AdminSettings& settings);
// When AdminWoke is to be reported; max: never.
TimePoint next_deadline(const AdminProvider& provider);
// The entries of the last `apply` are in force as of then.
void mark_applied(AdminProvider& provider, TimePoint when);

// Fetched every poll_interval: the service has no poll, or polls fail again and again.
bool by_interval(const AdminProvider& provider);

// In words what is wrong with this state, "" when nothing is: for tests and for a message about a bug.
std::string broken_invariant(const AdminProvider& provider);

}  // namespace pmctl
