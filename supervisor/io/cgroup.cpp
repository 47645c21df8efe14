#include "supervisor/io/cgroup.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace pmctl {

namespace {

constexpr std::string_view leaf = "/supervisor";

std::string read_text(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// 0, or an errno. Each write is one command to the kernel: no buffering, no second try.
int write_at(int folder, const char* name, std::string_view text) {
    const int fd = ::openat(folder, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    const int error = ::write(fd, text.data(), text.size()) < 0 ? errno : 0;
    ::close(fd);
    return error;
}

int write_file(const std::string& path, std::string_view text) {
    return write_at(AT_FDCWD, path.c_str(), text);
}

Result<void> make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
        return fail(fmt::format("mkdir '{}': {}", path, std::strerror(errno)));
    }
    return {};
}

// A group with processes of its own cannot give controllers to groups below it, unless it is the root.
Result<void> move_into_leaf(const std::string& folder) {
    std::istringstream processes(read_text(folder + "/cgroup.procs"));
    bool inside = false;
    for (pid_t pid = 0; processes >> pid;) {
        inside = inside || pid == ::getpid();
        if (pid != ::getpid()) {
            return fail(fmt::format("'{}' holds other processes too (pid {})", folder, pid));
        }
    }
    if (!inside) return {};
    const std::string own = folder + std::string(leaf);
    if (auto made = make_folder(own); !made) return made;
    if (const int error = write_file(own + "/cgroup.procs", "0"); error != 0) {
        return fail(fmt::format("moving to '{}': {}", own, std::strerror(error)));
    }
    return {};
}

}  // namespace

RunCgroup::~RunCgroup() {
    if (fd_ >= 0) ::close(fd_);
}

RunCgroup::RunCgroup(RunCgroup&& other) noexcept
    : folder_(std::move(other.folder_)), fd_(std::exchange(other.fd_, -1)) {}

RunCgroup& RunCgroup::operator=(RunCgroup&& other) noexcept {
    std::swap(folder_, other.folder_);
    std::swap(fd_, other.fd_);
    return *this;
}

Result<RunCgroup> RunCgroup::reopen(std::string folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail(fmt::format("open '{}': {}", folder, std::strerror(errno)));
    return RunCgroup(std::move(folder), fd);
}

void RunCgroup::kill() const {
    write_at(fd_, "cgroup.kill", "1");
}

std::string RunCgroup::end_note() const {
    const bool killed = keyed_value(read_text(folder_ + "/memory.events"), "oom_kill") > 0;
    return killed ? "out of memory: limits.memory was reached" : "";
}

bool RunCgroup::remove() {
    return ::rmdir(folder_.c_str()) == 0 || errno == ENOENT;
}

Result<Cgroups> Cgroups::find() {
    const auto found = cgroup_folder(read_text("/proc/self/cgroup"), read_text("/proc/self/mountinfo"));
    if (!found) return fail("cgroup v2 is not mounted here");
    std::string folder = *found;
    // After an upgrade in place the supervisor sits in the leaf that it made before.
    if (folder.ends_with(leaf)) folder.resize(folder.size() - leaf.size());

    const CgroupControllers available = parse_controllers(read_text(folder + "/cgroup.controllers"));
    if (!available.any()) {
        return fail(fmt::format("'{}' has none of the controllers memory, cpu and pids", folder));
    }
    if (::access(folder.c_str(), W_OK) != 0 || ::access((folder + "/cgroup.procs").c_str(), W_OK) != 0) {
        return fail(fmt::format("'{}' is not delegated to this user", folder));
    }
    const bool is_root = ::access((folder + "/cgroup.type").c_str(), F_OK) != 0;
    if (!is_root) {
        if (const auto moved = move_into_leaf(folder); !moved) return tl::unexpected(moved.error());
    }
    // One at a time: a controller that cannot be had must not take the others with it.
    for (const auto& [wanted, name] :
         {std::pair{available.memory, "+memory"}, std::pair{available.cpu, "+cpu"},
          std::pair{available.pids, "+pids"}}) {
        if (wanted) write_file(folder + "/cgroup.subtree_control", name);
    }
    auto result = at(folder);
    if (result && !result->controllers_.any()) {
        return fail(fmt::format("the kernel gives no controllers to groups below '{}'", folder));
    }
    return result;
}

Result<Cgroups> Cgroups::at(std::string folder) {
    if (::access((folder + "/cgroup.procs").c_str(), F_OK) != 0) {
        return fail(fmt::format("'{}' is not a cgroup v2: {}", folder, std::strerror(errno)));
    }
    const CgroupControllers enabled = parse_controllers(read_text(folder + "/cgroup.subtree_control"));
    return Cgroups(std::move(folder), enabled);
}

GroupLimits Cgroups::limits() const {
    std::string missing;
    for (const auto& [has, name] :
         {std::pair{controllers_.memory, "memory"}, std::pair{controllers_.cpu, "cpu"},
          std::pair{controllers_.pids, "pids"}}) {
        if (!has) missing += (missing.empty() ? "" : ", ") + std::string(name);
    }
    return {controllers_.memory, controllers_.cpu, controllers_.pids,
            missing.empty() ? "" : fmt::format("'{}' lacks controllers: {}", folder_, missing)};
}

std::string Cgroups::folder_of(std::string_view log_name, RunNumber run) const {
    std::string name(log_name);
    std::replace(name.begin(), name.end(), '/', '_');
    return fmt::format("{}/run-{}-{}", folder_, name, run);
}

Result<RunCgroup> Cgroups::make(std::string_view log_name, RunNumber run, const LimitSettings& limits) const {
    const std::string folder = folder_of(log_name, run);
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
        return fail(fmt::format("mkdir '{}': {}", folder, std::strerror(errno)));
    }
    auto group = RunCgroup::reopen(folder);
    if (!group) {
        ::rmdir(folder.c_str());
        return group;
    }
    const auto set = [&](bool wanted, bool available, std::string_view key, const char* file,
                         const std::string& value) -> Result<void> {
        if (!wanted || !available) return {};
        const int error = write_at(group->fd(), file, value);
        if (error == 0) return {};
        return fail(fmt::format("limit {}: {} '{}': {}", key, file, value, std::strerror(error)));
    };
    auto done =
        set(limits.memory != 0, controllers_.memory, "memory", "memory.max", std::to_string(limits.memory));
    if (done) done = set(limits.cpu > 0.0, controllers_.cpu, "cpu", "cpu.max", cpu_max(limits.cpu));
    if (done)
        done = set(limits.tasks != 0, controllers_.pids, "tasks", "pids.max", std::to_string(limits.tasks));
    if (!done) {
        group->remove();
        return tl::unexpected(done.error());
    }
    return group;
}

}  // namespace pmctl
