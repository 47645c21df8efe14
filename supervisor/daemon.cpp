#include "supervisor/daemon.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include "shared/control_path.hpp"
#include "supervisor/logging.hpp"

namespace pmctl {

namespace {

// A check that takes longer is waited for by nobody: the API says what is.
constexpr Duration http_patience = std::chrono::seconds(1);
// Answers that wait for the disk. Beyond, each waits here, and with it everybody who would ask for more.
constexpr std::size_t most_held = 256;
// For clients that are slow to take what was said to them, before this program ends or is replaced.
constexpr Duration last_words_patience = std::chrono::seconds(1);
constexpr Duration upgrade_patience = std::chrono::milliseconds(100);

}  // namespace

Daemon::Daemon(Loop& loop, RealEffects& effects, Supervisor& supervisor, Notifier notifier, Origin origin)
    : loop_(loop),
      effects_(effects),
      supervisor_(supervisor),
      commands_(supervisor, effects, PMCTL_VERSION, ::getpid(), Loop::now().wall),
      notifier_(std::move(notifier)),
      origin_(std::move(origin)),
      watchdog_(loop, [this] { feed_watchdog(); }),
      http_due_(std::in_place, loop, [this] { open_http_now(); }) {}

Result<void> Daemon::open_door(const SupervisorSettings& settings, std::optional<gid_t> group,
                               ControlServer::Left left) {
    auto control = Control::listen(
        loop_, {socket_in(settings.runtime_dir), settings.socket_mode, group, ::geteuid()},
        [this](const Request& request, bool may_park, const Peer&) { return answer(request, may_park); },
        [this](uid_t uid) {
            supervisor_.note("", "command", "refused a request of uid " + std::to_string(uid), Loop::now());
        },
        std::move(left));
    if (!control) return tl::unexpected(control.error());
    control_.emplace(std::move(*control));
    effects_.serve(supervisor_,
                   {.changed = [this] { changed(); },
                    .logs_written = [this] { control_->wake(Topic::Logs); },
                    .finished = [this] { leave(); },
                    .answers_stored = [this](std::uint64_t number) { control_->release(number); }});
    return {};
}

std::optional<Result<Reply>> Daemon::upgrade(bool may_park) {
    if (supervisor_.finishing()) return fail("the supervisor is stopping");
    // It would look for its runs where they are not.
    auto config = effects_.load_config();
    if (!config) return tl::unexpected(config.error());
    const SupervisorSettings& now = supervisor_.started_with();
    if (config->supervisor.runtime_dir != now.runtime_dir || config->supervisor.state_dir != now.state_dir) {
        return fail(
            "[supervisor] runtime_dir or state_dir has changed: that takes a stop and a start (pmctl down, "
            "pmctl up)");
    }
    if (!upgrade_) {
        auto made = Upgrade::make(
            loop_, effects_, origin_.command,
            {.must_wait = [this] { return effects_.awaits_groups(); },
             .waits =
                 [this] {
                     supervisor_.note("", "supervisor",
                                      "its program is replaced when those that stop have ended", Loop::now());
                 },
             .close_doors =
                 [this] {
                     if (http_) http_->let_in(false);
                 },
             .gather = [this] { return gather(); },
             .go_on = [this] { go_on(); },
             .answered = [this] { control_->wake(Topic::Upgrade); }});
        if (!made) return tl::unexpected(made.error());
        upgrade_ = std::move(*made);
    }
    return upgrade_->ask(may_park);
}

// What is to be stored first is answered then; the loop goes on meanwhile.
Control::Answer Daemon::answer(const Request& request, bool may_park) {
    if (std::holds_alternative<UpgradeRequest>(request)) return upgrade(may_park);
    StoredAnswers& answers = effects_.answers();
    const std::uint64_t before = answers.asked();
    auto reply = commands_.run(request, may_park, Loop::now());
    if (answers.asked() == before) return reply;
    if (control_->held() >= most_held) answers.settle();
    return {std::move(reply), answers.asked()};
}

void Daemon::changed() {
    control_->wake(Topic::Status);
    control_->wake(Topic::Events);
    tell_routes();
    if (http_) http_->changed();
    if (http_due_ && !supervisor_.is_taking_over()) http_due_->set(Loop::now().steady);
}

void Daemon::open_http(const HttpSettings& settings, Descriptor listening) {
    http_settings_ = settings;
    http_listening_ = std::move(listening);
    if (!supervisor_.is_taking_over()) return open_http_now();
    http_due_->set(Loop::now().steady + http_patience);
}

void Daemon::open_http_now() {
    if (http_) return;
    const auto tell = [this](const std::string& text) {
        supervisor_.note("", "supervisor", text, Loop::now());
    };
    try {
        http_.emplace(loop_, supervisor_, effects_, HttpApiSettings{http_settings_.listen, PMCTL_VERSION},
                      tell, std::move(http_listening_));
    } catch (const std::system_error& error) {
        // Its timers need descriptors.
        http_due_->set(Loop::now().steady + http_patience);
        if (!std::exchange(http_fault_told_, true))
            tell(std::string("the HTTP interface cannot be opened, and is tried again: ") + error.what());
        return;
    }
    loop_.later([this] { http_due_.reset(); });  // not within its own call
    effects_.ask_for_routes_seen([this] { return http_->routes_seen(); });
}

void Daemon::on_signal(int number) {
    const Now now = Loop::now();
    if (number == SIGHUP) return reload(now);
    if (number == SIGUSR1) return reopen_log(now);
    const bool again = supervisor_.finishing();
    notifier_.stopping("stopping");
    supervisor_.finish(again, "stopping everything: asked by " + signal_name(number), now);
}

void Daemon::reopen_log(Now now) {
    if (auto opened = reopen_log_file(); !opened)
        supervisor_.note("", "supervisor", opened.error().message + "; it goes on in the old file", now);
}

void Daemon::ready(int ready_fd) {
    const std::string what = std::to_string(supervisor_.roster().size()) + " instances";
    if (auto told = notifier_.ready(what); !told) spdlog::warn("{}, ignoring", told.error().message);
    feed_watchdog();
    if (ready_fd < 0) return;
    if (::write(ready_fd, "ready\n", 6) != 6) spdlog::warn("--ready-fd: {}, ignoring", std::strerror(errno));
    ::close(ready_fd);
    send_stderr_to_log();  // who started us has gone, and what stands there leads nowhere
}

void Daemon::reload(Now now) {
    notifier_.reloading(now.steady);
    if (auto reply = commands_.reload({}, now); !reply) {
        supervisor_.note("", "config", "reload refused, nothing was changed: " + reply.error().message, now);
    }
    notifier_.ready("running");
}

void Daemon::tell_routes() {
    const std::uint64_t generation = supervisor_.routes().generation();
    if (std::exchange(told_routes_, generation) != generation) control_->wake(Topic::Routes);
}

// Half of the time that the service manager allows, as sd_watchdog_enabled(3) advises.
void Daemon::feed_watchdog() {
    const auto interval = notifier_.watchdog_interval();
    if (!interval) return;
    notifier_.watchdog();
    watchdog_.set(Loop::now().steady + *interval / 2);
}

// Who waits for the end is answered before the door is shut.
void Daemon::leave() {
    notifier_.stopping("stopped");
    loop_.later([this] {
        loop_.stop();
        effects_.answers().settle();
        control_->flush(last_words_patience);
    });
}

Result<Handover> Daemon::gather() {
    const Now now = Loop::now();
    if (supervisor_.finishing()) return fail("the supervisor is stopping");
    supervisor_.note("", "supervisor",
                     "its program is replaced by the one that is installed: " + origin_.command.front(), now);
    notifier_.reloading(now.steady);
    gather_log_lines({});
    Handover handover;
    handover.version = PMCTL_VERSION;
    handover.child_defaults = origin_.child_defaults;
    handover.pid_file = copy_for_exec(origin_.pid_file.fd());
    handover.state_lock = copy_for_exec(origin_.state_lock.get());
    if (!handover.pid_file || !handover.state_lock) return fail("no descriptors left");
    const int listening = http_ ? http_->listening() : http_listening_.get();
    if (listening >= 0) {
        handover.http = copy_for_exec(listening);
        handover.http_from = http_settings_.listen;
    }
    if (auto handed = effects_.hand_over(handover); !handed) return tl::unexpected(handed.error());
    effects_.answers().settle();
    control_->flush(upgrade_patience);
    ControlServer::Left left = control_->leave();
    handover.control = std::move(left.listening);
    handover.clients = std::move(left.clients);
    return handover;
}

void Daemon::go_on() {
    if (http_) http_->let_in(true);
    gather_log_lines([this](Loop::Callback flush) { loop_.later(std::move(flush)); });
    supervisor_.note("", "supervisor", "its program was not replaced: it goes on", Loop::now());
    notifier_.ready("running");
}

}  // namespace pmctl
