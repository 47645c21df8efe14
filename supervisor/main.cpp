// pmctld: flags, wiring, run. No decisions.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <utility>

#include "shared/control_path.hpp"
#include "shared/find_config.hpp"
#include "supervisor/daemon.hpp"
#include "supervisor/flags.hpp"
#include "supervisor/io/limits.hpp"
#include "supervisor/io/proc_files.hpp"
#include "supervisor/io/signals.hpp"
#include "supervisor/io/socket_group.hpp"
#include "supervisor/io/state_lock.hpp"
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
            std::move(state.events),     std::move(state.admin),  std::move(only), std::move(runs),
            std::move(state.rests)};
}

// What the program before this one has left, if there was one.
Result<Handover> handover_of(int resume_fd) {
    if (resume_fd >= 0) return read_handover(resume_fd);
    const auto file_limit = raise_file_limit();
    if (!file_limit) return tl::unexpected(file_limit.error());
    Handover none;
    none.child_defaults = {*file_limit, spare_from_oom()};
    return none;
}

std::vector<std::string> command_of(const Config& config, const Flags& flags) {
    std::vector<std::string> command = {flags.program, "--config", config.path};
    if (!flags.log_file.empty()) command.insert(command.end(), {"--log-file", flags.log_file});
    for (const std::string& id : flags.only) command.insert(command.end(), {"--only", id});
    return command;
}

int serve(Config config, Surroundings surroundings, const Flags& flags) {
    block_signals();
    if (auto started =
            start_logging(config.supervisor.log_level, config.supervisor.log_format, flags.log_file);
        !started) {
        return fail_start(started.error().message);
    }
    auto handover = handover_of(flags.resume_fd);
    if (!handover) return fail_start(handover.error().message);
    const auto group = find_socket_group(config.supervisor.socket_group);
    if (!group) return fail_start(group.error().message, group.error().kind);
    const std::string& runtime_dir = config.supervisor.runtime_dir;
    const auto pid_file = handover->pid_file ? PidFile::resume(runtime_dir, std::move(handover->pid_file))
                                             : PidFile::take(runtime_dir, *group);
    if (!pid_file) return fail_start(pid_file.error().message);
    const auto state_lock = handover->state_lock ? Result<Descriptor>(std::move(handover->state_lock))
                                                 : lock_state(config.supervisor.state_dir);
    if (!state_lock) return fail_start(state_lock.error().message);
    const std::string socket = socket_in(config.supervisor.runtime_dir);
    if (!handover->control) {
        if (auto removed = remove_stale_socket(socket); !removed) return fail_start(removed.error().message);
    }

    Loop loop([](const std::string& what) {
        const bool lacks_memory = what == std::bad_alloc().what();
        spdlog::error("{}; going on", lacks_memory ? "no memory left" : "a bug: " + what);
    });
    Environment environment = child_environment(surroundings.environment, config.admin);
    auto effects = RealEffects::make(loop, config, std::move(surroundings), handover->child_defaults);
    if (!effects) return fail_start(effects.error().message);
    (*effects)->take_over(*handover);
    StoredState stored = (*effects)->state().load();
    auto left = (*effects)->find_runs(stored.runs);
    if (!left) return fail_start(left.error().message);
    for (const std::string& line : left->killed) spdlog::warn("{}", line);
    stored.next_run = std::max(stored.next_run, left->next_run);

    // A machine that was started anew begins with everything.
    std::erase_if(stored.rests, [](const RestRecord& each) { return each.boot_id != boot_id(); });

    const std::string admin_fault = std::move(stored.admin_fault);
    Supervisor supervisor(**effects, std::move(environment),
                          inheritance_of(std::move(stored), flags.only, std::move(left->runs)));
    Daemon daemon(loop, **effects, supervisor, Notifier::from_environment(),
                  {*pid_file, *state_lock, handover->child_defaults, command_of(config, flags)});
    if (auto opened = daemon.open_door(config.supervisor, *group,
                                       {std::move(handover->control), std::move(handover->clients)});
        !opened)
        return fail_start(opened.error().message);
    auto signals = Signals::open(loop, [&](int number) { daemon.on_signal(number); });
    if (!signals) return fail_start(signals.error().message);

    const Now now = Loop::now();
    const std::string path = config.path;
    const std::string how =
        handover->version.empty() ? " starts" : " goes on where " + handover->version + " was replaced";
    supervisor.note("", "supervisor",
                    "pmctld " PMCTL_VERSION + how + ", pid " + std::to_string(::getpid()) + ", " + path, now);
    if (const std::string& notice = (*effects)->state().notice(); !notice.empty()) {
        supervisor.note("", "supervisor", notice, now);
    }
    if (!admin_fault.empty())
        supervisor.note("", "admin", "what the admin service said last cannot be read: " + admin_fault, now);
    const HttpSettings http = config.http;
    supervisor.apply(std::move(config), now);
    (*effects)->end_takeover();
    daemon.open_http(http, handover->http_from == http.listen ? std::move(handover->http) : Descriptor());
    handover->http.close();
    loop.later([&] { daemon.ready(flags.ready_fd); });
    gather_log_lines([&loop](Loop::Callback flush) { loop.later(std::move(flush)); });
    loop.run();
    gather_log_lines({});
    (*effects)->end_all();
    spdlog::info("pmctld ends");
    return 0;
}

int run(int argc, char** argv) {
    FlagsOutcome outcome = parse_flags(argc, argv);
    if (!outcome.flags) return outcome.status;
    Flags& flags = *outcome.flags;
    flags.program = own_program(argv[0]);
    Surroundings surroundings = surroundings_of(environ, ::geteuid());
    const std::string named = flags.validate && !flags.validate->empty() ? *flags.validate : flags.config;
    const char* from_environment = std::getenv("PMCTL_CONFIG");
    std::error_code no_folder;  // it was removed under us: then a relative path leads nowhere
    const std::string folder = std::filesystem::current_path(no_folder).string();
    const auto path = find_config(named, from_environment == nullptr ? "" : from_environment, folder);
    if (!path) return fail_start(path.error().message, path.error().kind);
    LoadedConfig loaded = load_config(*path, surroundings);
    if (flags.check_upgrade) return print_upgrade_check(*path, loaded);
    if (flags.validate) return print_validation(*path, loaded, flags.json);
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
