#include "supervisor/io/real_effects.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "shared/size.hpp"
#include "supervisor/core/names.hpp"
#include "supervisor/io/log_cursor.hpp"
#include "supervisor/io/port_probe.hpp"
#include "supervisor/io/process_figures.hpp"
#include "supervisor/io/resident.hpp"
#include "supervisor/supervisor.hpp"

namespace pmctl {

namespace {

// What a question about the past waits for its disk, at most.
constexpr Duration store_patience = std::chrono::seconds(2);
// For processes that have been killed already: only the kernel can be slow.
constexpr Duration orphan_patience = std::chrono::seconds(2);
// From the beginning of a start or a reload until it is worth while to give back what it took.
constexpr Duration until_rest = std::chrono::seconds(2);

// Descriptors that runs leave free, a third of them where there are very few.
constexpr int descriptors_kept = 64;
constexpr int descriptors_a_run = 4;  // pidfd, two FIFOs, log file

}  // namespace

RealEffects::RealEffects(Loop& loop, const Config& config, Surroundings surroundings)
    : loop_(loop),
      config_path_(config.path),
      state_dir_(config.supervisor.state_dir),
      surroundings_(std::move(surroundings)),
      log_retry_(loop, [this] { adopt_waiting_logs(); }),
      rest_(loop, give_back_memory),
      random_(std::random_device{}()) {}

Result<std::unique_ptr<RealEffects>> RealEffects::make(Loop& loop, const Config& config,
                                                       Surroundings surroundings,
                                                       const ChildDefaults& defaults) {
    std::unique_ptr<RealEffects> made(new RealEffects(loop, config, std::move(surroundings)));
    RealEffects* self = made.get();

    rlimit descriptors{};
    ::getrlimit(RLIMIT_NOFILE, &descriptors);
    const auto limit = static_cast<int>(std::min<rlim_t>(descriptors.rlim_cur, INT_MAX));
    self->descriptors_for_runs_ = limit - std::min(descriptors_kept, limit / 3);

    // First what copies the low descriptors, then what uses many.
    auto crew = SpawnCrew::make(defaults, self->state_dir_);
    if (!crew) return tl::unexpected(crew.error());
    self->crew_ = std::move(*crew);
    auto processes = ProcessTable::make(
        loop, self->state_dir_, [self](RunNumber run, ExitStatus status) { self->ended(run, status); });
    if (!processes) return tl::unexpected(processes.error());
    self->processes_ = std::move(*processes);

    auto store = StateStore::open(self->state_dir_, [self](const std::string& text) {
        self->loop_.from_any_thread([self, text] { self->trouble("", "supervisor", text); });
    });
    if (!store) return tl::unexpected(store.error());
    self->store_ = std::move(*store);
    self->answers_ = std::make_unique<StoredAnswers>(
        loop, *self->store_, [self](std::uint64_t number, const std::string& reason) {
            if (!reason.empty())
                self->trouble("", "supervisor", "what was asked is done, but not yet stored: " + reason);
            self->hooks_.answers_stored(number);
        });

    auto logs = Logs::make(
        loop, config.supervisor.runtime_dir + "/fifo", self->state_dir_ + "/logs",
        {[self](const std::string& name, const std::string& text) { self->trouble(name, "log", text); },
         [self] { self->hooks_.logs_written(); }});
    if (!logs) return tl::unexpected(logs.error());
    self->logs_ = std::move(*logs);

    const auto report = [self](RunNumber run, const CheckResult& result) {
        self->supervisor_->checked(run, result, Loop::now());
    };
    self->probes_ = std::make_unique<Probes>(loop, report);
    auto exec_checks = ExecChecks::make(loop, self->crew_->own(), *self->processes_, report);
    if (!exec_checks) return tl::unexpected(exec_checks.error());
    self->exec_checks_ = std::move(*exec_checks);

    auto cgroups = Cgroups::find();
    if (cgroups) {
        self->cgroups_ = std::make_unique<Cgroups>(std::move(*cgroups));
        self->group_limits_ = self->cgroups_->limits();
    } else {
        self->group_limits_.why_not = cgroups.error().message;
    }
    return made;
}

void RealEffects::serve(Supervisor& supervisor, Hooks hooks) {
    supervisor_ = &supervisor;
    hooks_ = std::move(hooks);
    loop_.on_wake([this] { supervisor_->woke(Loop::now()); });
    rest_.set(Loop::now().steady + until_rest);
}

void RealEffects::end_all() {
    processes_->end_orphans(orphan_patience);
    logs_->drain_all();
    store_->finish();  // which takes its time, on a thread of its own; there is nothing to be told any longer
    logs_->close_all();
}

void RealEffects::trouble(const std::string& name, const std::string& kind, const std::string& text) {
    supervisor_->note(name, kind, text, Loop::now());
}

// A run takes none that the control socket, the checks and the store will need. The kernel gives out the
// lowest number that is free, so one that is taken for a moment tells how many are in use. `others`: starts
// that are prepared, and still want their pidfd and log file.
bool RealEffects::has_descriptors_for_run(std::size_t others) const {
    const int lowest = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (lowest < 0) return false;
    ::close(lowest);
    return lowest + descriptors_a_run + 2 * static_cast<int>(others) <= descriptors_for_runs_;
}

// What a start needs beside its process: streams, listening socket, cgroup.
tl::expected<RealEffects::Preparation, SpawnFailure> RealEffects::prepare(const SpawnRequest& request,
                                                                          std::size_t others) {
    if (!has_descriptors_for_run(others)) {
        return tl::unexpected(
            SpawnFailure{"Too many open files: the limit leaves no descriptors for another run "
                         "(LimitNOFILE= or `ulimit -Hn`)",
                         true});
    }
    const auto fail = [](const Error& error, bool transient) {
        return tl::unexpected(SpawnFailure{error.message, transient});
    };
    const auto ends = logs_->open_for(request.log_name, log_settings_[request.log_name]);
    if (!ends) return fail(ends.error(), true);
    Preparation made{{ends->out, ends->err, {}}, nullptr};
    if (request.listen_port != 0) {
        const auto socket = listeners_.open(request.listen_port);
        if (!socket) return fail(socket.error(), false);
        made.fds.listen_fds.push_back(*socket);
    }
    if (cgroups_ && wants_group(request.limits)) {
        auto group = cgroups_->make(request.log_name, request.run, request.limits);
        if (!group) return fail(group.error(), false);
        made.cgroup = std::make_unique<RunCgroup>(std::move(*group));
    }
    return made;
}

std::vector<SpawnOutcome> RealEffects::spawn(const std::vector<SpawnRequest>& requests) {
    std::vector<SpawnOutcome> outcomes(requests.size());
    std::vector<SpawnJob> jobs;
    std::vector<std::unique_ptr<RunCgroup>> cgroups;
    std::vector<std::size_t> places;  // of each job among the requests
    for (std::size_t i = 0; i < requests.size(); ++i) {
        auto prepared = prepare(requests[i], jobs.size());
        if (!prepared) {
            outcomes[i] = tl::unexpected(prepared.error());
            continue;
        }
        jobs.push_back(
            {&requests[i], std::move(prepared->fds), prepared->cgroup ? prepared->cgroup->fd() : -1});
        cgroups.push_back(std::move(prepared->cgroup));
        places.push_back(i);
    }
    crew_->spawn(jobs);
    for (std::size_t job = 0; job < jobs.size(); ++job) {
        const SpawnRequest& request = *jobs[job].request;
        SpawnOutcome& outcome = outcomes[places[job]];
        const auto& child = jobs[job].outcome;
        if (!child) {
            if (cgroups[job]) cgroups[job]->remove();
            outcome = tl::unexpected(child.error());
        } else if (auto added = processes_->add(request.run, *child, std::move(cgroups[job])); !added) {
            outcome = tl::unexpected(SpawnFailure{added.error().message, true});
        } else {
            live_[request.run] = {request.log_name, request.fingerprint, request.listen_port != 0,
                                  start_ticks_of(*child)};
            outcome = child->pid;
        }
    }
    return outcomes;
}

void RealEffects::ended(RunNumber run, const ExitStatus& status) {
    // Its last lines come before its end is told.
    if (const auto ended = live_.find(run); ended != live_.end()) {
        logs_->drain(ended->second.log_name);
        live_.erase(ended);
    }
    if (ended_.empty()) loop_.later([this] { supervisor_->exited(std::exchange(ended_, {}), Loop::now()); });
    ended_.push_back({run, status, processes_->end_note(run)});
}

void RealEffects::signal(RunNumber run, int signal_number) {
    processes_->signal(run, signal_number);
}

void RealEffects::stop(RunNumber run, int signal_number) {
    processes_->stop(run, signal_number);
}

void RealEffects::clean_up(RunNumber run) {
    processes_->clean_up(run);
}

void RealEffects::check(const CheckRequest& request) {
    switch (request.kind) {
        case HealthKind::Http:
            return probes_->check(request.run, request.port, request.path, request.timeout,
                                  request.keep_alive, request.answered_by);
        case HealthKind::Tcp: return probes_->check_tcp(request.run, request.port, request.timeout);
        case HealthKind::Exec: return exec_checks_->start(request);
        case HealthKind::None: return;
    }
}

void RealEffects::forget_checks(RunNumber run) {
    probes_->forget(run);
    exec_checks_->forget(run);
}

PortState RealEffects::port_state(std::uint16_t port) {
    return pmctl::port_state(port);
}

std::string RealEffects::port_holder(std::uint16_t port) {
    return pmctl::port_holder(port);
}

void RealEffects::close_listener(std::uint16_t port) {
    listeners_.close(port);
}

void RealEffects::keep_listener(std::uint16_t port) {
    if (auto opened = listeners_.open(port); !opened) trouble("", "port", opened.error().message);
}

void RealEffects::set_log_settings(const std::string& log_name, const LogSettings& settings) {
    log_settings_[log_name] = settings;
    logs_->set(log_name, settings);
}

void RealEffects::close_logs(const std::string& log_name) {
    waiting_logs_.erase(log_name);
    log_settings_.erase(log_name);
    logs_->close(log_name);
}

void RealEffects::set_admin(const AdminAccess& access) {
    if (!admin_) {
        admin_ = std::make_unique<AdminClient>(loop_, [this](std::uint64_t number, AdminResult result) {
            supervisor_->admin_replied(number, std::move(result), Loop::now());
        });
    }
    // Calls say it as well, each with its result.
    if (auto set = admin_->set(access); !set) trouble("", "admin", "[admin]: " + set.error().message);
}

void RealEffects::call_admin(const AdminCall& call) {
    admin_->call(call);
}

void RealEffects::drop_admin_calls() {
    if (admin_) admin_->drop();
}

void RealEffects::wake_at(TimePoint when) {
    loop_.wake_at(when);
}

void RealEffects::publish(std::uint64_t) {
    if (std::exchange(publish_asked_, true)) return;
    loop_.later([this] {
        publish_asked_ = false;
        hooks_.changed();
    });
}

// Its process has not been reaped before its end is reported, so the number is still its own.
void RealEffects::complete(RunRecord& run) const {
    const auto known = live_.find(run.run);
    if (known == live_.end()) return;
    const LiveRun& live = known->second;
    if (run.log_name.empty()) run.log_name = live.log_name;
    if (run.fingerprint.empty()) run.fingerprint = live.fingerprint;
    run.listening = live.listening;
    if (run.boot_id.empty()) run.boot_id = boot_id_;
    if (run.cgroup.empty()) run.cgroup = processes_->cgroup_of(run.run);
    if (run.start_ticks == 0) run.start_ticks = live.start_ticks;
    if (run.start_ticks != 0) return;
    if (const auto stat = read_proc_stat(run.pid)) run.start_ticks = stat->start_ticks;
}

// 0: not known yet.
std::uint64_t RealEffects::start_ticks_of(const Child& child) {
    constexpr int enough_agreements = 4;
    if (child.start_ticks == 0 || clock_agreements_ < 0) return 0;
    if (clock_agreements_ == enough_agreements) return child.start_ticks;
    const auto stat = read_proc_stat(child.pid);
    if (!stat) return 0;
    if (stat->start_ticks != child.start_ticks) {
        clock_agreements_ = -1;
    } else if (std::exchange(agreed_tick_, stat->start_ticks) != stat->start_ticks) {
        ++clock_agreements_;
    }
    return stat->start_ticks;
}

void RealEffects::store(StoreWrite write) {
    if (write.kind == StoreWrite::Kind::RunStarted) complete(write.run);
    if (write.kind == StoreWrite::Kind::SetRest) {
        auto whole = std::make_shared<RestRecord>(*write.rest);
        whole->boot_id = boot_id_;
        write.rest = std::move(whole);
    }
    if (store_->queue(std::move(write))) loop_.later([this] { store_->wake(); });
}

Result<Config> RealEffects::load_config() {
    rest_.set(Loop::now().steady + until_rest);
    return config_or_error(pmctl::load_config(config_path_, surroundings_));
}

Result<LogsReply> RealEffects::read_logs(const LogsRequest& request,
                                         const std::vector<std::pair<std::string, std::string>>& names) {
    return read_log_lines(logs_->folder(), names, request,
                          [this](const std::string& log_name) { return logs_->end_of(log_name); });
}

std::string RealEffects::log_path(const std::string& log_name) {
    return logs_->folder_of(log_name) + "/current";
}

std::vector<std::string> RealEffects::kept_logs(const std::string& name, const std::string& cursor) {
    if (!is_instance_id(name)) return {};  // it comes from outside, and names a folder
    const auto known = parse_log_cursor(cursor);
    const auto is_kept = [&](const std::string& log_name) {
        return ::access(log_path(log_name).c_str(), F_OK) == 0 &&
               (cursor.empty() || (known && known->contains(log_name)));
    };
    std::vector<std::string> found;
    if (is_kept(name)) found.push_back(name);
    const std::string first(name.ends_with(":0") ? replica_stem(name) : "");
    if (!first.empty() && is_kept(first)) found.push_back(first);
    for (std::uint32_t number = 1;; ++number) {
        const std::string log_name = replica_name(name, number, 2);
        if (::access(log_path(log_name).c_str(), F_OK) != 0) return found;
        if (is_kept(log_name)) found.push_back(log_name);
    }
}

std::vector<Event> RealEffects::history(const std::string& name, std::size_t limit) {
    return store_->events_before(name, UINT64_MAX, limit).value_or(std::vector<Event>{});
}

Result<std::vector<Mark>> RealEffects::marks(WallTime since) {
    if (auto stored = store_->flush(store_patience); !stored) return tl::unexpected(stored.error());
    return store_->marks(since);
}

OwnFigures RealEffects::own_figures() {
    const ProcessFigures figures = process_figures();
    return {figures.cpu, clock() - begun_, figures.resident_bytes};
}

TimePoint RealEffects::clock() {
    return Loop::now().steady;
}

double RealEffects::random() {
    return std::uniform_real_distribution<double>(0, 1)(random_);
}

void RealEffects::finished() {
    hooks_.finished();
}

}  // namespace pmctl
