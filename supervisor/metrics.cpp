#include "supervisor/metrics.hpp"

#include <algorithm>
#include <array>

#include "supervisor/core/metrics_text.hpp"

namespace pmctl {

namespace {

constexpr std::array<Phase, phases> all_phases{Phase::Unknown,   Phase::Starting, Phase::Running,
                                               Phase::Unhealthy, Phase::Stopping, Phase::Stopped,
                                               Phase::Failed};

double seconds(Duration value) {
    return std::chrono::duration<double>(value).count();
}
double seconds(WallTime value) {
    return seconds(value.time_since_epoch());
}

class Report {
  public:
    Report(const Supervisor& supervisor, Now now) : supervisor_(supervisor), now_(now) {
        for (const auto& [id, instance] : supervisor.roster().instances()) {
            for (const auto& member : instance.members) members_.push_back(member.get());
        }
    }

    std::string text(const ProcessFigures& process, const std::string& version) {
        out_.gauge("pmctl_build_info", "The supervisor's version, as a label.");
        out_.sample({{"version", version}}, std::uint64_t{1});
        instances();
        checks();
        availability();
        rest();
        if (supervisor_.admin()) admin(*supervisor_.admin());
        own(process);
        return out_.text();
    }

  private:
    // One sample a replica, of what `value` says.
    template <class Value>
    void each(const Value& value) {
        for (const Member* member : members_) out_.sample(labels(*member), value(*member));
    }
    static MetricsText::Labels labels(const Member& member, std::string_view key = {},
                                      std::string_view value = {}) {
        MetricsText::Labels made{{"instance", member.instance->id}, {"name", member.name}};
        if (!key.empty()) made.emplace_back(key, value);
        return made;
    }

    void instances() {
        out_.gauge("pmctl_instance_state", "1 for the state in which a replica is, 0 for the others.");
        for (const Member* member : members_) {
            for (const Phase phase : all_phases)
                out_.sample(labels(*member, "state", to_text(phase)),
                            std::uint64_t{phase_of(member->replica) == phase ? 1U : 0U});
        }
        out_.gauge("pmctl_instance_wanted", "1 for a replica that is to run.");
        each([](const Member& m) { return std::uint64_t{m.replica.wanted == Wanted::Running ? 1U : 0U}; });
        out_.gauge("pmctl_instance_start_time_seconds", "When the run that is live was started; Unix time.");
        for (const Member* member : members_) {
            if (has_live_run(member->replica))
                out_.sample(labels(*member), seconds(member->replica.run->started_at));
        }
        out_.counter("pmctl_instance_transitions_total", "Changes of a replica's state, by the new state.");
        for (const Member* member : members_) {
            for (const Phase phase : all_phases)
                out_.sample(labels(*member, "state", to_text(phase)),
                            member->tally.transitions.at(static_cast<std::size_t>(phase)));
        }
        out_.counter("pmctl_instance_restarts_total",
                     "Starts that the supervisor decided on because a run had failed, by what ended that.");
        for (const Member* member : members_) {
            for (std::size_t i = 0; i < restart_causes; ++i)
                out_.sample(labels(*member, "cause", to_text(static_cast<RestartCause>(i))),
                            member->tally.restarts.at(i));
        }
    }

    void checks() {
        out_.counter("pmctl_health_checks_total", "Health checks, by result.");
        for (const Member* member : members_) {
            out_.sample(labels(*member, "result", "ok"), member->tally.good_checks);
            out_.sample(labels(*member, "result", "failed"), member->tally.bad_checks);
        }
        out_.histogram("pmctl_health_check_duration_seconds", "How long health checks took.");
        out_.sample({}, supervisor_.totals().check_latency);
    }

    void availability() {
        out_.counter("pmctl_instance_wanted_seconds_total", "Time for which a replica was to run.");
        each([this](const Member& m) { return seconds(wanted_until(m.tally, now_.steady)); });
        out_.counter("pmctl_instance_running_seconds_total",
                     "Time for which a replica was Running while it was to run.");
        each([this](const Member& m) { return seconds(served_until(m.tally, now_.steady)); });
        out_.gauge("pmctl_instance_availability_ratio",
                   "Share of the wanted time in Running, since the supervisor's start.");
        for (const Member* member : members_) {
            const double wanted = seconds(wanted_until(member->tally, now_.steady));
            if (wanted > 0)
                out_.sample(labels(*member), seconds(served_until(member->tally, now_.steady)) / wanted);
        }
        out_.histogram("pmctl_recovery_duration_seconds",
                       "From the moment a replica stopped being healthy to its being Running again.");
        out_.sample({}, supervisor_.totals().recovery);
    }

    void rest() {
        const PortTable& ports = supervisor_.ports();
        const auto in_range = static_cast<std::uint64_t>(
            std::count_if(ports.held().begin(), ports.held().end(),
                          [&](const auto& held) { return ports.in_range(held.first); }));
        out_.gauge("pmctl_ports_used", "Ports of the range that replicas hold.");
        out_.sample({}, in_range);
        out_.gauge("pmctl_ports_free", "Ports of the range that nobody holds.");
        out_.sample({}, std::uint64_t{ports.free_in_range()});
        out_.gauge("pmctl_routes", "Hostnames in the route table.");
        out_.sample({}, static_cast<std::uint64_t>(supervisor_.routes().size()));
        out_.counter("pmctl_routes_generation_total", "Changes of the route table.");
        out_.sample({}, supervisor_.routes().generation());
        out_.counter("pmctl_events_total", "Number of the last event, over all supervisors of this state.");
        out_.sample({}, supervisor_.journal().last_number());
    }

    void admin(const AdminProvider& provider) {
        out_.gauge("pmctl_admin_up", "1 while the admin service is known and answers.");
        out_.sample({}, std::uint64_t{!provider.url.empty() && !provider.trouble ? 1U : 0U});
        out_.gauge("pmctl_admin_failures", "Failed calls in a row.");
        out_.sample({}, std::uint64_t{provider.trouble ? provider.trouble->failures : 0U});
        out_.gauge("pmctl_admin_instances", "Entries of the admin service in force.");
        out_.sample({}, static_cast<std::uint64_t>(provider.in_force.entries.size()));
        out_.gauge("pmctl_admin_event", "The last event of the admin service that was seen.");
        out_.sample({}, std::uint64_t{provider.in_force.event});
        out_.counter("pmctl_admin_applied_total", "Configurations of the admin service that were applied.");
        out_.sample({}, static_cast<std::uint64_t>(provider.latencies.count));
        out_.gauge("pmctl_admin_latency_seconds",
                   "From an event of the admin service to what came of it: the last one.");
        out_.sample({}, seconds(provider.latencies.last));
        if (provider.succeeded_at) {
            out_.gauge("pmctl_admin_last_success_time_seconds",
                       "The last call that did not fail; Unix time.");
            out_.sample({}, seconds(*provider.succeeded_at));
        }
    }

    void own(const ProcessFigures& process) {
        out_.counter("pmctl_supervisor_cpu_seconds_total", "Processor time of the supervisor itself.");
        out_.sample({}, seconds(process.cpu));
        out_.gauge("pmctl_supervisor_resident_memory_bytes", "Resident memory of the supervisor itself.");
        out_.sample({}, process.resident_bytes);
        out_.gauge("pmctl_supervisor_open_fds", "Descriptors that the supervisor has open.");
        out_.sample({}, process.open_fds);
        out_.gauge("pmctl_supervisor_max_fds", "Descriptors that the supervisor may have open.");
        out_.sample({}, process.max_fds);
        out_.gauge("pmctl_supervisor_start_time_seconds", "When the supervisor was started; Unix time.");
        out_.sample({}, seconds(process.started_at));
        out_.gauge("pmctl_http_connections", "Connections to the HTTP API.");
        out_.sample({}, process.http_connections);
        out_.gauge("pmctl_route_readers", "Proxies that follow the table of routes.");
        out_.sample({}, process.route_readers);
        out_.gauge("pmctl_route_generation", "Number of the table of routes; it rises with each change.");
        out_.sample({}, supervisor_.routes().generation());
        if (process.routes_seen != UINT64_MAX) {
            out_.gauge("pmctl_route_generation_seen", "The lowest of it that a proxy that follows it has.");
            out_.sample({}, process.routes_seen);
        }
        out_.counter("pmctl_updates_total", "Rolling updates of replicas, by what came of them.");
        out_.sample({{"result", "done"}}, supervisor_.totals().updates_done);
        out_.sample({{"result", "failed"}}, supervisor_.totals().updates_failed);
    }

    const Supervisor& supervisor_;
    Now now_;
    std::vector<const Member*> members_;
    MetricsText out_;
};

}  // namespace

std::string metrics_of(const Supervisor& supervisor, const ProcessFigures& process,
                       const std::string& version, Now now) {
    return Report(supervisor, now).text(process, version);
}

}  // namespace pmctl
