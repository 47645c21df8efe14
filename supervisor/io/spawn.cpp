#include "supervisor/io/spawn.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "supervisor/io/exec_failure.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/proc_files.hpp"
#include "supervisor/io/run_tag.hpp"
#include "supervisor/io/spawn_child.hpp"

namespace pmctl {

namespace {

constexpr std::size_t stack_size = std::size_t{64} << 10;
constexpr std::size_t guard_size = std::size_t{4} << 10;
constexpr std::string_view default_path = "/bin:/usr/bin";  // as execvp(3) has it
constexpr int standard_streams = 3;
constexpr int slots = standard_streams + static_cast<int>(Spawner::most_listen_fds);

bool is_transient(int error) {
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
}

// Blocks every signal there is, those of glibc's own included, so that no handler runs while the child shares
// this memory.
class BlockedSignals {
  public:
    BlockedSignals() { ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, sizeof all); }
    ~BlockedSignals() { ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof before_); }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;

  private:
    static constexpr std::uint64_t all = ~std::uint64_t{0};
    std::uint64_t before_ = 0;
};

bool is_named(const std::vector<std::string>& env, std::string_view key) {
    return std::any_of(env.begin(), env.end(), [key](const std::string& entry) {
        return entry.size() > key.size() && entry[key.size()] == '=' && entry.starts_with(key);
    });
}

std::pair<std::string_view, std::string_view> split_entry(std::string_view entry) {
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos) return {entry, {}};
    return {entry.substr(0, equals), entry.substr(equals + 1)};
}

}  // namespace

struct Spawner::Prepared {
    ChildPlan plan;
    std::string search_path;
    std::string candidate;
    std::string working_dir;
    std::vector<char*> argv;
    std::vector<char*> env;
    std::array<std::string, 7> added;  // entries of the environment that the request does not have
    std::size_t added_count = 0;

    void add(std::string entry) {
        std::string& kept = added.at(added_count++);
        kept = std::move(entry);
        env.push_back(kept.data());
    }
    // Room for any pid, where the child writes its own.
    char* add_with_pid(const std::string& entry) {
        add(fmt::format("{}{:20}", entry, ""));
        return env.back() + entry.size();
    }
};

Result<Spawner> Spawner::make(const ChildDefaults& defaults, std::string scope) {
    Spawner spawner(defaults, std::move(scope));
    if (const auto reserved = spawner.reserve(); !reserved) return tl::unexpected(reserved.error());
    return spawner;
}

Spawner::Spawner(const ChildDefaults& defaults, std::string scope)
    : file_limit_(defaults.files),
      oom_score_(defaults.oom_score ? std::to_string(*defaults.oom_score) : ""),
      scope_(std::move(scope)) {
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const auto [key, value] = split_entry(*entry);
        own_env_.emplace(key, value);
    }
    dumpable_ = ::prctl(PR_GET_DUMPABLE) == 1;
}

Spawner::Spawner(Spawner&& other) noexcept
    : file_limit_(other.file_limit_),
      oom_score_(std::move(other.oom_score_)),
      lent_(std::move(other.lent_)),
      scope_(std::move(other.scope_)),
      dumpable_(other.dumpable_),
      own_env_(std::move(other.own_env_)),
      identities_(std::move(other.identities_)),
      changed_signals_(other.changed_signals_),
      stack_(std::exchange(other.stack_, nullptr)),
      first_slot_(std::exchange(other.first_slot_, -1)) {}

Spawner::~Spawner() {
    if (stack_ != nullptr) ::munmap(stack_, guard_size + stack_size);
    for (int i = 0; first_slot_ >= 0 && i < slots; ++i) ::close(first_slot_ + i);
}

Result<void> Spawner::reserve() {
    void* const memory = ::mmap(nullptr, guard_size + stack_size, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return fail(fmt::format("mmap: {}", std::strerror(errno)));
    stack_ = memory;
    ::mprotect(stack_, guard_size, PROT_NONE);

    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return fail(fmt::format("open '/dev/null': {}", std::strerror(errno)));
    int first = standard_streams;
    for (int fd = first; fd < first + slots; ++fd) {
        if (fd != null && ::fcntl(fd, F_GETFD) >= 0) first = fd + 1;
    }
    for (int fd = first; fd < first + slots; ++fd) {
        if (fd != null && ::dup3(null, fd, O_CLOEXEC) < 0) {
            const int error = errno;
            while (--fd >= first) ::close(fd);
            if (null < first) ::close(null);
            return fail(fmt::format("descriptors for starting processes: {}", std::strerror(error)));
        }
    }
    if (null < first || null >= first + slots) ::close(null);
    first_slot_ = first;
    return {};
}

bool Spawner::set_slots(const SpawnFds& fds) {
    const auto put = [this](int fd, int slot) {
        return fd < 0 || ::dup3(fd, first_slot_ + slot, O_CLOEXEC) >= 0;
    };
    bool done = put(fds.stdout_fd, 1) && put(fds.stderr_fd, 2);
    for (std::size_t i = 0; done && i < fds.listen_fds.size(); ++i) {
        done = put(fds.listen_fds[i], standard_streams + static_cast<int>(i));
    }
    return done;
}

// What stayed there would keep the child's streams open beyond its end.
void Spawner::clear_slots(const SpawnFds& fds) {
    const auto clear = [this](int slot) { ::dup3(first_slot_, first_slot_ + slot, O_CLOEXEC); };
    if (fds.stdout_fd >= 0) clear(1);
    if (fds.stderr_fd >= 0) clear(2);
    for (std::size_t i = 0; i < fds.listen_fds.size(); ++i) clear(standard_streams + static_cast<int>(i));
}

void Spawner::prepare_env(const SpawnRequest& request, const SpawnFds& fds, const Identity& identity,
                          Prepared& into) const {
    const bool listens = !fds.listen_fds.empty();
    // What the named user has; a value that is the supervisor's own is not one that somebody chose.
    const std::array<std::pair<std::string_view, const std::string*>, 4> of_user = {
        {{"HOME", &identity.home},
         {"USER", &identity.name},
         {"LOGNAME", &identity.name},
         {"SHELL", &identity.shell}}};
    std::array<bool, 4> chosen{};
    bool has_path = false;

    const auto take = [&](const std::string& entry, std::string_view key, std::string_view value) {
        if (key == "PMCTL_RUN") return;
        if (listens && (key == "LISTEN_PID" || key == "LISTEN_FDS" || key == "LISTEN_FDNAMES")) return;
        if (!identity.name.empty()) {
            const auto* const found = std::find_if(of_user.begin(), of_user.end(),
                                                   [&](const auto& pair) { return pair.first == key; });
            if (found != of_user.end()) {
                const auto own = own_env_.find(key);
                if (own != own_env_.end() && own->second == value) return;
                chosen.at(static_cast<std::size_t>(found - of_user.begin())) = true;
            }
        }
        if (key == "PATH") {
            into.search_path = value;
            has_path = true;
        }
        // execve(2) takes char* const*, and writes nothing.
        into.env.push_back(const_cast<char*>(entry.c_str()));
    };
    const std::size_t shared = request.base_env ? request.base_env->size() : 0;
    into.env.reserve(shared + request.env.size() + into.added.size() + 1);
    for (std::size_t i = 0; i < shared; ++i) {
        const std::string& entry = (*request.base_env)[i];
        const auto [key, value] = split_entry(entry);
        if (!is_named(request.env, key)) take(entry, key, value);
    }
    for (const std::string& entry : request.env) {
        const auto [key, value] = split_entry(entry);
        take(entry, key, value);
    }
    if (!has_path) into.search_path = default_path;
    for (std::size_t i = 0; !identity.name.empty() && i < of_user.size(); ++i) {
        if (!chosen.at(i) && !of_user.at(i).second->empty())
            into.add(fmt::format("{}={}", of_user.at(i).first, *of_user.at(i).second));
    }
    into.plan.tag_pid = into.add_with_pid(
        run_tag(scope_, {request.run, request.log_name, request.port, listens, request.fingerprint}));
    if (listens) {
        into.add(fmt::format("LISTEN_FDS={}", fds.listen_fds.size()));
        into.plan.listen_pid = into.add_with_pid("LISTEN_PID=");
    }
    into.env.push_back(nullptr);
}

tl::expected<Child, SpawnFailure> Spawner::spawn(const SpawnRequest& request, const SpawnFds& fds,
                                                 int cgroup_fd) {
    const auto refuse = [](std::string message, int error) {
        return tl::unexpected(SpawnFailure{std::move(message), is_transient(error)});
    };
    if (request.argv.empty() || request.argv[0].empty()) return refuse("exec '': the command is empty", 0);
    if (fds.listen_fds.size() > most_listen_fds) {
        return refuse(fmt::format("more than {} listening sockets", most_listen_fds), 0);
    }
    const TimePoint now = Loop::now().steady;
    const auto identity = identities_.find(request.user, request.group, now);
    if (!identity) return refuse(identity.error().message, 0);

    Prepared prepared;
    ChildPlan& plan = prepared.plan;
    prepare_env(request, fds, **identity, prepared);
    prepared.argv.reserve(request.argv.size() + 1);
    for (const std::string& argument : request.argv) {
        prepared.argv.push_back(const_cast<char*>(argument.c_str()));
    }
    prepared.argv.push_back(nullptr);
    plan.argv = prepared.argv.data();
    plan.env = prepared.env.data();
    if (request.argv[0].find('/') == std::string::npos) {
        prepared.candidate.resize(prepared.search_path.size() + request.argv[0].size() + 2);
        plan.search_path = prepared.search_path.c_str();
        plan.candidate = prepared.candidate.data();
    }
    // Read once: what the supervisor ignores it ignores from its beginning, and 64 calls are a tenth of a
    // start.
    if (!changed_signals_) changed_signals_ = changed_signals();
    plan.changed_signals = *changed_signals_;
    plan.first_slot = first_slot_;
    plan.slot_count = standard_streams + static_cast<int>(fds.listen_fds.size());
    if (!lent_ && !oom_score_.empty()) plan.oom_score = oom_score_.c_str();
    plan.oom_score_length = oom_score_.size();
    plan.umask = request.umask;
    plan.file_limit = request.limits.open_files == 0
                          ? file_limit_
                          : rlimit{request.limits.open_files, request.limits.open_files};
    if (request.limits.core_size) {
        plan.set_core_limit = true;
        plan.core_limit = {*request.limits.core_size, *request.limits.core_size};
    }
    plan.set_groups = (*identity)->set_groups;
    plan.set_gid = (*identity)->set_gid;
    plan.set_uid = (*identity)->set_uid;
    plan.groups = (*identity)->groups.data();
    plan.group_count = (*identity)->groups.size();
    plan.gid = (*identity)->gid;
    plan.uid = (*identity)->uid;
    plan.working_dir = request.working_dir.c_str();

    if (!set_slots(fds)) {
        const int error = errno;
        clear_slots(fds);
        return refuse(fmt::format("descriptors of the new process: {}", std::strerror(error)), error);
    }
    Child child;
    int clone_error = 0;
    {
        const BlockedSignals blocked;
        const LentOomScore::Loan loan(lent_.get());
        timespec before{};
        ::clock_gettime(CLOCK_BOOTTIME, &before);
        child.pid = start_child(plan, static_cast<char*>(stack_) + guard_size + stack_size, stack_size,
                                cgroup_fd, child.pidfd);
        clone_error = errno;
        // The kernel noted its beginning in between (copy_process). Were /proc asked for it, it would keep
        // entries of the process, which make its end dearer.
        if (to_ticks(plan.began) == to_ticks(before)) child.start_ticks = to_ticks(before);
    }
    // A child that changes its user marks the memory that it shares as not to be dumped (prctl(2)).
    if (plan.set_uid && dumpable_) ::prctl(PR_SET_DUMPABLE, 1);
    clear_slots(fds);

    if (child.pid < 0) {
        return refuse(
            fmt::format("clone: {}{}", std::strerror(clone_error),
                        clone_error == EAGAIN ? " (the limit on the number of processes is reached)" : ""),
            clone_error);
    }
    if (plan.failed == SpawnStep::None) return child;
    siginfo_t ignored{};
    ::waitid(P_PIDFD, static_cast<id_t>(child.pidfd), &ignored, WEXITED);
    ::close(child.pidfd);
    return tl::unexpected(describe(request, prepared));
}

SpawnFailure Spawner::describe(const SpawnRequest& request, const Prepared& prepared) const {
    const ChildPlan& plan = prepared.plan;
    const std::string why = std::strerror(plan.error);
    // Only the one who may do it all may do any of it: one message for the three steps of a change of user.
    const std::string hint =
        plan.error == EPERM && ::geteuid() != 0 ? " (the supervisor does not run as root)" : "";
    const auto failure = [&](std::string message) {
        return SpawnFailure{std::move(message), is_transient(plan.error)};
    };
    const auto identity_step = [&](std::string_view step) {
        if (!hint.empty() && !request.user.empty()) step = "setuid";
        const std::string& object = step == "setgid" && !request.group.empty() ? request.group
                                    : request.user.empty()                     ? request.group
                                                                               : request.user;
        return failure(fmt::format("{} '{}': {}{}", step, object, why, hint));
    };
    switch (plan.failed) {
        case SpawnStep::None: return {};
        case SpawnStep::Cgroup: return failure(fmt::format("joining its cgroup: {}", why));
        case SpawnStep::Session: return failure(fmt::format("setsid: {}", why));
        case SpawnStep::Descriptors: return failure(fmt::format("descriptors of the new process: {}", why));
        case SpawnStep::FileLimit:
            return failure(fmt::format("limit open_files {}: {}", plan.file_limit.rlim_cur, why));
        case SpawnStep::CoreLimit:
            return failure(fmt::format("limit core_size {}: {}", plan.core_limit.rlim_cur, why));
        case SpawnStep::Groups: return identity_step("setgroups");
        case SpawnStep::Gid: return identity_step("setgid");
        case SpawnStep::Uid: return identity_step("setuid");
        case SpawnStep::Chdir: return failure(fmt::format("chdir '{}': {}", request.working_dir, why));
        case SpawnStep::Exec:
            return failure(describe_exec_failure(request.argv[0], prepared.search_path, request.working_dir,
                                                 plan.error));
    }
    return failure(why);
}

}  // namespace pmctl
