#include "cli/supervision.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cli/client.hpp"
#include "cli/pmctld.hpp"
#include "shared/path.hpp"

namespace pmctl {

namespace {

// From the end of the connections to that of the process: it has only its store to close.
constexpr Duration closing_patience = std::chrono::seconds(30);
// One that is not ours has an owner, a service manager or another `pmctl up`, who may start the next one.
constexpr Duration owner_patience = std::chrono::seconds(10);
constexpr Duration look_again = std::chrono::milliseconds(20);

TimePoint steady_now() {
    return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

// Until an interrupt or the time is over.
void wait_for(Duration time, Interrupts& interrupts) {
    const auto until = steady_now() + time;
    for (auto left = time; left > Duration::zero(); left = until - steady_now()) {
        pollfd interrupt{interrupts.fd(), POLLIN, 0};
        ::poll(&interrupt, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count()));
        if (interrupts.take()) return;
    }
}

int status_of(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

}  // namespace

Supervision::Supervision(Session& session, std::string socket, pid_t pid, std::optional<OwnPmctld> own)
    : session_(session), socket_(std::move(socket)), own_(std::move(own)), pid_(pid), watch_(pid) {}

void Supervision::watch(pid_t pid) {
    pid_ = pid;
    watch_ = ProcessWatch(pid);
}

std::optional<pid_t> Supervision::who_answers() const {
    const auto client = Client::connect(socket_);
    if (!client) return std::nullopt;
    return client->peer_pid();
}

void Supervision::joined(pid_t pid) {
    if (!owns() && pid != pid_) watch(pid);
}

bool Supervision::is_closed() const {
    return ::access(socket_.c_str(), F_OK) != 0;
}

std::string Supervision::advice() const {
    return "its instances run on without one: see '" + folder_of(socket_) +
           "/pmctld.log', then start it again with: pmctl up";
}

Result<Supervision::Next> Supervision::go_on(Interrupts& interrupts) {
    story_.clear();
    auto next = await_its_end(interrupts);
    if (!next || *next == Next::Attach) return next;
    if (!owns()) {
        if (interrupts.count() > 0) return next;
        if (!is_closed()) return await_another(interrupts);
        return fail(ErrorKind::Unavailable, "the supervisor has ended");
    }
    const int status = status_of(own_->pid);
    return is_crash(status, is_closed()) ? start_again(status, interrupts) : Next::End;
}

// Attach: it lives and answers again.
Result<Supervision::Next> Supervision::await_its_end(Interrupts& interrupts) {
    const auto until = steady_now() + closing_patience;
    while (!watch_.await_end(look_again)) {
        if (interrupts.take() && !owns()) return Next::End;
        if (steady_now() >= until) {
            return fail(ErrorKind::Unavailable, "the supervisor (pid " + std::to_string(pid_) +
                                                    ") answers no longer and still ends, as it does while "
                                                    "its disk is slow");
        }
        // It looks for itself whether the socket's process lives, and waits where that one only begins.
        if (!is_closed() && who_answers()) return Next::Attach;
    }
    return Next::End;
}

Result<Supervision::Next> Supervision::start_again(int status, Interrupts& interrupts) {
    const std::string end = "the supervisor " + words_on_end(status);
    std::string trouble;  // of the last try to start it
    for (;;) {
        const auto delay = crashes_.add(steady_now());
        if (!delay) {
            return fail(ErrorKind::Unavailable,
                        end +
                            (trouble.empty() ? ", and crashed " + std::to_string(most_crashes) +
                                                   " times within a minute: it is not started again; "
                                             : ", and cannot be started again: " + trouble + "; ") +
                            advice());
        }
        wait_for(interrupts.count() > 0 ? Duration::zero() : *delay, interrupts);
        // Somebody else was quicker.
        const auto other = who_answers();
        if (other) {
            own_.reset();
            watch(*other);
            story_ = end + "; another one (pid " + std::to_string(*other) + ") was started: attached to it";
            return Next::Attach;
        }
        const auto started = start_pmctld(own_->words, folder_of(socket_));
        if (started) {
            own_->pid = *started;
            watch(*started);
            story_ = end + "; started again";
            return Next::Attach;
        }
        trouble = started.error().message;
        if (started.error().kind != ErrorKind::Failed) {
            // No try mends what it refuses.
            return fail(ErrorKind::Unavailable,
                        end + ", and cannot be started again: " + trouble + "; " + advice());
        }
    }
}

Result<Supervision::Next> Supervision::await_another(Interrupts& interrupts) {
    session_.say("the supervisor (pid " + std::to_string(pid_) +
                 ") has died, its instances run on; waiting for the next one...");
    const auto until = steady_now() + owner_patience;
    while (steady_now() < until) {
        if (const auto other = who_answers()) {
            watch(*other);
            story_ = "the next supervisor is there (pid " + std::to_string(*other) + ")";
            return Next::Attach;
        }
        wait_for(look_again, interrupts);
        if (interrupts.count() == 0) continue;
        session_.say("no supervisor: " + advice());
        return Next::End;
    }
    return fail(ErrorKind::Unavailable, "nobody started the supervisor again; " + advice());
}

}  // namespace pmctl
