#include "supervisor/io/upgrade.hpp"

#include <fmt/format.h>
#include <linux/close_range.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace pmctl {

namespace {

// Of ten thousand instances under load; a program that hangs is given up then.
constexpr Duration check_patience = std::chrono::seconds(30);
// For requests that were let in, and answers that are on their way.
constexpr Duration let_out = std::chrono::milliseconds(20);

// What ends when it is told to, and not at stop_timeout, has ended by then. Nobody new is let in while the
// program leaves, so that there it is short.
constexpr Duration ends_patience = std::chrono::seconds(10);
constexpr Duration leaving_patience = std::chrono::milliseconds(200);
constexpr Duration look_again = std::chrono::milliseconds(10);

constexpr const char* still_ending =
    "processes of an instance that stops are still ending, and another program could not wait for them: try "
    "again when `pmctl status` shows none Stopping";

std::vector<std::string> own_environment() {
    std::vector<std::string> found;
    for (char** each = environ; each != nullptr && *each != nullptr; ++each) found.emplace_back(*each);
    return found;
}

}  // namespace

std::string own_program(const char* called_as) {
    namespace fs = std::filesystem;
    std::error_code error;
    std::string own = fs::read_symlink("/proc/self/exe", error).string();
    if (called_as == nullptr || std::strchr(called_as, '/') == nullptr) return own;
    const fs::path path = fs::absolute(called_as, error);
    return !error && fs::equivalent(path, own, error) ? path.string() : own;
}

Result<std::unique_ptr<Upgrade>> Upgrade::make(Loop& loop, RealEffects& effects,
                                               std::vector<std::string> command, Hooks hooks) {
    std::unique_ptr<Upgrade> made(new Upgrade(loop, std::move(command), std::move(hooks)));
    auto checks = effects.other_checks(
        [self = made.get()](RunNumber, const CheckResult& result) { self->checked(result); });
    if (!checks) return tl::unexpected(checks.error());
    made->checks_ = std::move(*checks);
    return made;
}

Upgrade::Upgrade(Loop& loop, std::vector<std::string> command, Hooks hooks)
    : loop_(loop), command_(std::move(command)), hooks_(std::move(hooks)), next_(loop, [this] { go_on(); }) {}

std::optional<Result<Reply>> Upgrade::ask(bool may_park) {
    switch (stage_) {
        case Stage::Refused: return fail(refusal_);
        case Stage::Checking:
            if (may_park) return std::nullopt;
            return fail(ErrorKind::Timeout, "'" + command_.front() + "' is still being checked");
        case Stage::Waiting:
        case Stage::Leaving:
            if (may_park) return std::nullopt;
            return fail(ErrorKind::Timeout, "processes of an instance that stops are still ending");
        case Stage::Idle: break;
    }
    stage_ = Stage::Checking;
    CheckRequest request;
    request.kind = HealthKind::Exec;
    request.timeout = check_patience;
    request.exec.emplace();
    request.exec->argv = command_;
    request.exec->argv.emplace_back("--check-upgrade");
    request.exec->env = own_environment();
    std::error_code error;
    request.exec->working_dir = std::filesystem::current_path(error).string();
    if (error) request.exec->working_dir = "/";
    checks_->start(request);
    return ask(may_park);
}

void Upgrade::checked(const CheckResult& result) {
    if (!result.ok) return refuse("'" + command_.front() + "' cannot take over: " + result.error);
    stage_ = Stage::Waiting;
    until_ = Loop::now().steady + ends_patience;
    if (hooks_.must_wait()) hooks_.waits();
    wait();
}

void Upgrade::go_on() {
    if (stage_ == Stage::Waiting) return wait();
    leave();
}

void Upgrade::wait() {
    const TimePoint now = Loop::now().steady;
    if (hooks_.must_wait()) {
        if (now < until_) return next_.set(now + look_again);
        return refuse(still_ending);
    }
    stage_ = Stage::Leaving;
    until_ = now + leaving_patience;
    hooks_.close_doors();
    next_.set(now + let_out);
}

void Upgrade::leave() {
    const TimePoint now = Loop::now().steady;
    if (hooks_.must_wait()) {
        if (now < until_) return next_.set(now + look_again);
        hooks_.go_on();
        return refuse(still_ending);
    }
    const auto replaced = replace();
    hooks_.go_on();
    refuse(replaced.error().message);
}

// Returns only where that is not possible.
Result<void> Upgrade::replace() {
    // Libraries open some without that; what is to stay open is copied after it.
    ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    auto handover = hooks_.gather();
    if (!handover) return tl::unexpected(handover.error());
    const auto file = write_handover(*handover);
    if (!file) return tl::unexpected(file.error());
    std::vector<std::string> words = command_;
    words.emplace_back("--resume-fd");
    words.push_back(std::to_string(file->get()));
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(argv.front(), argv.data());
    return fail(fmt::format("exec '{}': {}", command_.front(), std::strerror(errno)));
}

void Upgrade::refuse(std::string reason) {
    stage_ = Stage::Refused;
    refusal_ = std::move(reason);
    hooks_.answered();
    loop_.later([this] { stage_ = Stage::Idle; });
}

}  // namespace pmctl
