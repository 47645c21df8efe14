// pmctld: flags, wiring, run. No decisions.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <utility>

#include "shared/control_path.hpp"
#include "shared/find_config.hpp"
#include "supervisor/commands.hpp"
#include "supervisor/flags.hpp"
#include "supervisor/io/control.hpp"
#include "supervisor/io/http_api.hpp"
#include "supervisor/io/limits.hpp"
#include "supervisor/io/notify.hpp"
#include "supervisor/io/pid_file.hpp"
#include "supervisor/io/real_effects.hpp"
#include "supervisor/io/signals.hpp"
#include "supervisor/io/socket_group.hpp"
#include "supervisor/io/timer.hpp"
#include "supervisor/logging.hpp"
#include "supervisor/offline.hpp"

namespace pmctl {

namespace {

int fail_start(const std::string& message, ErrorKind kind = ErrorKind::Failed) {
    std::cerr << "pmctld: " << message << '\n';
    return exit_status(kind);
}

Inheritance inheritance_of(StoredState state, std::vector<std::string> only, std::vector<FoundRun> runs) {
    return {std::move(state.intentions), std::move(state.scales), state.next_run,  state.last_event + 1,
            std::move(state.events),     std::move(state.admin),  std::move(only), std::move(runs)};
}

class Daemon {
  public:
    Daemon(Loop& loop, RealEffects& effects, Supervisor& supervisor, Notifier notifier)
        : loop_(loop),
          effects_(effects),
          supervisor_(supervisor),
          commands_(supervisor, effects, PMCTL_VERSION, ::getpid()),
          notifier_(std::move(notifier)),
          watchdog_(loop, [this] { feed_watchdog(); }) {}

    Result<void> open_door(const SupervisorSettings& settings, std::optional<gid_t> group) {
        auto control = Control::listen(
            loop_, {socket_in(settings.runtime_dir), settings.socket_mode, group, ::geteuid()},
            [this](const Request& request, bool may_park, const Peer&) {
                return commands_.run(request, may_park, Loop::now());
            },
            [this](uid_t uid) {
                supervisor_.note("", "command", "refused a request of uid " + std::to_string(uid),
                                 Loop::now());
            });
        if (!control) return tl::unexpected(control.error());
        control_.emplace(std::move(*control));
        effects_.serve(supervisor_, {.changed =
                                         [this] {
                                             control_->wake(Topic::Status);
                                             control_->wake(Topic::Events);
                                             tell_routes();
                                             if (http_) http_->changed();
                                         },
                                     .logs_written = [this] { control_->wake(Topic::Logs); },
                                     .finished = [this] { leave(); }});
        return {};
    }

    void open_http(const HttpSettings& settings) {
        http_.emplace(
            loop_, supervisor_, effects_, HttpApiSettings{settings.listen, PMCTL_VERSION},
            [this](const std::string& text) { supervisor_.note("", "supervisor", text, Loop::now()); });
        effects_.ask_for_routes_seen([this] { return http_->routes_seen(); });
    }

    void on_signal(int number) {
        const Now now = Loop::now();
        if (number == SIGHUP) return reload(now);
        if (number == SIGUSR1) return;
        const bool again = supervisor_.finishing();
        notifier_.stopping("stopping");
        supervisor_.finish(again, "stopping everything: asked by " + signal_name(number), now);
    }

    void ready(int ready_fd) {
        const std::string what = std::to_string(supervisor_.roster().size()) + " instances";
        if (auto told = notifier_.ready(what); !told) spdlog::warn("{}, ignoring", told.error().message);
        feed_watchdog();
        if (ready_fd < 0) return;
        if (::write(ready_fd, "ready\n", 6) != 6)
            spdlog::warn("--ready-fd: {}, ignoring", std::strerror(errno));
        ::close(ready_fd);
        send_stderr_to_log();  // who started us has gone, and what stands there leads nowhere
    }

  private:
    void reload(Now now) {
        notifier_.reloading(now.steady);
        if (auto reply = commands_.reload(false, now); !reply) {
            supervisor_.note("", "config", "reload refused, nothing was changed: " + reply.error().message,
                             now);
        }
        notifier_.ready("running");
    }

    void tell_routes() {
        const std::uint64_t generation = supervisor_.routes().generation();
        if (std::exchange(told_routes_, generation) != generation) control_->wake(Topic::Routes);
    }

    // Half of the time that the service manager allows, as sd_watchdog_enabled(3) advises.
    void feed_watchdog() {
        const auto interval = notifier_.watchdog_interval();
        if (!interval) return;
        notifier_.watchdog();
        watchdog_.set(Loop::now().steady + *interval / 2);
    }

    // Who waits for the end is answered before the door is shut.
    void leave() {
        notifier_.stopping("stopped");
        loop_.later([this] { loop_.stop(); });
    }

    Loop& loop_;
    RealEffects& effects_;
    Supervisor& supervisor_;
    Commands commands_;
    Notifier notifier_;
    Timer watchdog_;
    std::optional<Control> control_;
    std::optional<HttpApi> http_;
    std::uint64_t told_routes_ = 0;
};

int serve(Config config, Surroundings surroundings, const Flags& flags) {
    block_signals();
    if (auto started =
            start_logging(config.supervisor.log_level, config.supervisor.log_format, flags.log_file);
        !started) {
        return fail_start(started.error().message);
    }
    const auto file_limit = raise_file_limit();
    if (!file_limit) return fail_start(file_limit.error().message);
    const auto group = find_socket_group(config.supervisor.socket_group);
    if (!group) return fail_start(group.error().message, group.error().kind);
    const auto pid_file = PidFile::take(config.supervisor.runtime_dir, *group);
    if (!pid_file) return fail_start(pid_file.error().message);
    const std::string socket = socket_in(config.supervisor.runtime_dir);
    if (auto removed = remove_stale_socket(socket); !removed) return fail_start(removed.error().message);

    Loop loop([](const std::string& what) { spdlog::error("a bug: {}; going on", what); });
    Environment environment = child_environment(surroundings.environment, config.admin);
    auto effects = RealEffects::make(loop, config, std::move(surroundings), *file_limit);
    if (!effects) return fail_start(effects.error().message);
    StoredState stored = (*effects)->state().load();
    auto left = (*effects)->find_runs(stored.runs);
    if (!left) return fail_start(left.error().message);
    for (const std::string& line : left->killed) spdlog::warn("{}", line);
    stored.next_run = std::max(stored.next_run, left->next_run);

    const std::string admin_fault = std::move(stored.admin_fault);
    Supervisor supervisor(**effects, std::move(environment),
                          inheritance_of(std::move(stored), flags.only, std::move(left->runs)));
    Daemon daemon(loop, **effects, supervisor, Notifier::from_environment());
    if (auto opened = daemon.open_door(config.supervisor, *group); !opened)
        return fail_start(opened.error().message);
    auto signals = Signals::open(loop, [&](int number) { daemon.on_signal(number); });
    if (!signals) return fail_start(signals.error().message);

    const Now now = Loop::now();
    const std::string path = config.path;
    supervisor.note("", "supervisor",
                    "pmctld " PMCTL_VERSION " starts, pid " + std::to_string(::getpid()) + ", " + path, now);
    if (const std::string& notice = (*effects)->state().notice(); !notice.empty()) {
        supervisor.note("", "supervisor", notice, now);
    }
    if (!admin_fault.empty())
        supervisor.note("", "admin", "what the admin service said last cannot be read: " + admin_fault, now);
    const bool wants = std::any_of(config.instances.begin(), config.instances.end(),
                                   [](const SpecPtr& spec) { return wants_cgroup(spec->process.limits); });
    if (wants && !(*effects)->has_cgroups()) {
        supervisor.note(
            "", "supervisor",
            "limits of memory, cpu and tasks are not in force: " + (*effects)->no_cgroups_because(), now);
    }
    const HttpSettings http = config.http;
    supervisor.apply(std::move(config), now);
    daemon.open_http(http);
    loop.later([&] { daemon.ready(flags.ready_fd); });
    gather_log_lines([&loop](Loop::Callback flush) { loop.later(std::move(flush)); });
    loop.run();
    gather_log_lines({});
    (*effects)->end_orphans();
    spdlog::info("pmctld ends");
    return 0;
}

int run(int argc, char** argv) {
    const FlagsOutcome outcome = parse_flags(argc, argv);
    if (!outcome.flags) return outcome.status;
    const Flags& flags = *outcome.flags;
    Surroundings surroundings = surroundings_of(environ, ::geteuid());
    const std::string named = flags.validate && !flags.validate->empty() ? *flags.validate : flags.config;
    const char* from_environment = std::getenv("PMCTL_CONFIG");
    std::error_code no_folder;  // it was removed under us: then a relative path leads nowhere
    const std::string folder = std::filesystem::current_path(no_folder).string();
    const auto path = find_config(named, from_environment == nullptr ? "" : from_environment, folder);
    if (!path) return fail_start(path.error().message, path.error().kind);
    LoadedConfig loaded = load_config(*path, surroundings);
    if (flags.validate) return print_validation(*path, loaded);
    auto config = config_or_error(std::move(loaded));
    if (!config) {
        std::cerr << config.error().message << '\n';
        return exit_status(ErrorKind::Invalid);
    }
    if (flags.show_config) return print_config(*config, *flags.show_config, flags.show_secrets, flags.json);
    return serve(std::move(*config), std::move(surroundings), flags);
}

}  // namespace

}  // namespace pmctl

int main(int argc, char** argv) {
    try {
        return pmctl::run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "pmctld: " << error.what() << '\n';
        return 1;
    }
}
