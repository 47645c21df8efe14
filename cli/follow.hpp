// Asks the supervisor until everything that is waited for is decided, or the time is up.
#pragma once

#include <functional>
#include <optional>

#include "cli/client.hpp"
#include "cli/session.hpp"
#include "cli/wait.hpp"

namespace pmctl {

// startup_timeout is 60 s unless configured, and a stop before it takes 10.
constexpr Duration default_timeout = std::chrono::seconds(90);

// `decided` hears of those that are, as soon as they are. Error: Timeout naming what is still open,
// Unavailable when the supervisor went away.
Result<void> follow(Client& client, Waiting& waiting, std::optional<Duration> timeout,
                    const std::function<void(const std::vector<const Waiting::Item*>&)>& decided);
// The same, with the outcome printed: a line for each that is done; for one that failed its reason, its last
// log lines and what to try on standard error. With --json the rows at the end. The value is the exit status.
Result<int> follow_and_tell(Session& session, Client& client, Waiting& waiting);
// The last log lines and a hint for each that failed.
void tell_failures(Session& session, Client& client, const Waiting& waiting);
// "'web': Failed: exited with 1; 'db': Starting"
Error failure_of(const Waiting& waiting);

}  // namespace pmctl
