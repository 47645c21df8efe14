#include "supervisor/admin_view.hpp"

#include <algorithm>

namespace pmctl {

namespace {

std::optional<WallTime> fetched_at(const AdminProvider& provider) {
    if (provider.in_force.fetched_at == WallTime{}) return std::nullopt;
    return provider.in_force.fetched_at;
}

// The next fetch, where it is more than a matter of the next event.
std::optional<WallTime> next_try(const AdminProvider& provider, Now now) {
    if (provider.url.empty() || (!provider.trouble && !by_interval(provider))) return std::nullopt;
    const TimePoint due = provider.fetch.call != 0 ? now.steady : provider.fetch.due;
    return now.wall + std::max(due - now.steady, Duration::zero());
}

}  // namespace

Result<AdminReply> admin_view(const Supervisor& supervisor, Now now) {
    const Config& config = supervisor.config();
    if (!supervisor.admin()) return fail("no [admin] in " + config.path);
    const AdminProvider& provider = *supervisor.admin();
    AdminReply reply;
    reply.url = provider.url;
    reply.instance = config.admin->instance;
    // Where fetches fail as well it says nothing of how they are made that polls do.
    const bool interval = !provider.has_poll || provider.poll_trouble;
    reply.mode = provider.url.empty() ? "waiting" : interval ? "interval" : "poll";
    if (provider.poll_trouble) reply.poll_error = provider.poll_trouble->why;
    reply.event = provider.in_force.event;
    reply.succeeded_at = provider.succeeded_at;
    reply.fetched_at = fetched_at(provider);
    if (const auto& trouble = provider.trouble) {
        reply.failing_since = trouble->since;
        reply.error = trouble->why;
        reply.refused = trouble->refused;
        reply.failures = trouble->failures;
    } else if (provider.poll_trouble) {
        reply.failures = provider.poll_trouble->failures;
    }
    reply.next_try = next_try(provider, now);
    reply.instances = provider.in_force.entries.size();
    for (const auto* list : {&provider.left_out, &config.left_out}) {
        for (const AdminOmission& each : *list) reply.left_out.push_back({each.id, each.reason});
    }
    std::stable_sort(reply.left_out.begin(), reply.left_out.end(),
                     [](const OmissionRow& a, const OmissionRow& b) { return a.id < b.id; });
    reply.held = provider.held;
    reply.applied = provider.latencies.count;
    reply.latency = provider.latencies.last;
    reply.median_latency = provider.latencies.median();
    reply.longest_latency = provider.latencies.longest;
    return reply;
}

std::optional<AdminOutage> outage_of(const Supervisor& supervisor) {
    if (!supervisor.admin()) return std::nullopt;
    const AdminProvider& provider = *supervisor.admin();
    const bool waits = provider.url.empty();
    if (!waits && !provider.trouble) return std::nullopt;
    AdminOutage outage;
    if (provider.trouble) {
        outage.since = provider.trouble->since;
        outage.why = provider.trouble->why;
        outage.refused = provider.trouble->refused;
    }
    if (waits) outage.waits_for = supervisor.config().admin->instance;
    outage.state_of = fetched_at(provider);
    return outage;
}

}  // namespace pmctl
