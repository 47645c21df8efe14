#include <algorithm>

#include "supervisor/core/admin_provider.hpp"

namespace pmctl {

std::string broken_invariant(const AdminProvider& provider) {
    const AdminLine& fetch = provider.fetch;
    const AdminLine& poll = provider.poll;
    const auto never = TimePoint::max();
    if (fetch.call != 0 && fetch.call == poll.call) return "one number for two calls";
    if (std::max(fetch.call, poll.call) > provider.last_call) return "a number that was never given out";
    if (provider.url.empty()) {
        if (fetch.call != 0 || poll.call != 0) return "a call to an address that is not known";
        if (fetch.due != never || poll.due != never) return "a call is due, and where to is not known";
    } else {
        if (poll.call == 0 && poll.due == never) return "nothing will ever be polled again";
        if (by_interval(provider) && fetch.call == 0 && fetch.due == never)
            return "nothing will ever be fetched again";
    }
    for (const AdminLine* line : {&fetch, &poll}) {
        if ((line->call != 0) != (line->overdue != never))
            return "a call without an end, or an end without a call";
        if (line->failures > 0 && line->call == 0 && line->due == never)
            return "a failure without a next try";
    }
    if (fetch.failures > 0 && !provider.trouble) return "fetches fail, and nobody is told";
    const auto& entries = provider.in_force.entries;
    for (std::size_t i = 1; i < entries.size(); ++i) {
        if (entries[i - 1].id >= entries[i].id) return "entries out of order, or one twice";
    }
    if (!std::is_sorted(provider.held.begin(), provider.held.end())) return "what is held is out of order";
    for (const std::string& id : provider.held) {
        const auto at =
            std::lower_bound(entries.begin(), entries.end(), id,
                             [](const AdminEntry& entry, const std::string& i) { return entry.id < i; });
        if (at == entries.end() || at->id != id) return "'" + id + "' is held back and not in force";
    }
    if (!provider.held.empty() && fetch.call == 0 && fetch.due == never)
        return "what is held is never asked for";
    if (!provider.held.empty() && fetch.call == 0 && !provider.full)
        return "what is held needs a whole answer";
    if (provider.unserved != never && fetch.call == 0 && fetch.failures == 0 && provider.gather == never &&
        fetch.due == never)
        return "an event that no fetch will follow";
    return "";
}

}  // namespace pmctl
