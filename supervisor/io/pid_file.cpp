#include "supervisor/io/pid_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pmctl {

namespace {

constexpr mode_t private_mode = 0700;
constexpr mode_t group_mode = 0050;

Error system_error(const std::string& what, const std::string& path, int error) {
    const auto kind = error == EACCES || error == EPERM ? ErrorKind::Denied : ErrorKind::Failed;
    return {kind, fmt::format("{} '{}': {}", what, path, std::strerror(error))};
}

// Parents get the usual mode: only the last folder holds what others must not reach.
Result<void> make_folders(const std::string& path) {
    for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        const std::string parent = path.substr(0, slash);
        if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST && errno != EACCES && errno != EROFS)
            return tl::unexpected(system_error("mkdir", parent, errno));
    }
    if (::mkdir(path.c_str(), private_mode) != 0 && errno != EEXIST)
        return tl::unexpected(system_error("mkdir", path, errno));
    return {};
}

// Looked at through one descriptor, so that what was checked is what is used.
Result<void> check_folder(int fd, const std::string& path, std::optional<gid_t> socket_group) {
    struct stat info{};
    if (::fstat(fd, &info) != 0) return tl::unexpected(system_error("stat", path, errno));
    if (info.st_uid != ::geteuid()) {
        return fail(ErrorKind::Denied,
                    fmt::format("runtime_dir '{}' belongs to uid {}, not to uid {}: choose another", path,
                                info.st_uid, ::geteuid()));
    }
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fail(ErrorKind::Denied,
                    fmt::format("runtime_dir '{}' is writable by others (mode {:04o}): 'chmod go-w' it, "
                                "or choose another",
                                path, info.st_mode & 07777));
    }
    if (!socket_group) return {};
    if (info.st_gid != *socket_group && ::fchown(fd, static_cast<uid_t>(-1), *socket_group) != 0)
        return tl::unexpected(system_error("chgrp", path, errno));
    if ((info.st_mode & group_mode) != group_mode && ::fchmod(fd, (info.st_mode & 07777) | group_mode) != 0)
        return tl::unexpected(system_error("chmod", path, errno));
    return {};
}

// Who locks a file that its last owner is just removing holds a lock on nothing.
bool is_still_there(int fd, int folder, const char* name) {
    struct stat held{};
    struct stat named{};
    return ::fstat(fd, &held) == 0 && ::fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

constexpr const char* file_name = "pmctld.pid";

}  // namespace

std::string pid_in(int fd) {
    std::array<char, 32> text{};
    const ssize_t got = ::pread(fd, text.data(), text.size() - 1, 0);
    std::string pid(text.data(), static_cast<std::size_t>(got < 0 ? 0 : got));
    pid.resize(std::min(pid.size(), pid.find_first_not_of("0123456789")));
    return pid.empty() ? "unknown" : pid;
}

Result<PidFile> PidFile::take(const std::string& runtime_dir, std::optional<gid_t> socket_group) {
    if (auto made = make_folders(runtime_dir); !made) return tl::unexpected(made.error());
    const Descriptor folder(::open(runtime_dir.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) {
        if (errno != ELOOP && errno != ENOTDIR)
            return tl::unexpected(system_error("open", runtime_dir, errno));
        return fail(
            ErrorKind::Denied,
            fmt::format("runtime_dir '{}' is not a folder but a file or a symbolic link", runtime_dir));
    }
    if (auto checked = check_folder(folder.get(), runtime_dir, socket_group); !checked)
        return tl::unexpected(checked.error());

    const std::string path = runtime_dir + "/" + file_name;
    for (;;) {
        Descriptor file(
            ::openat(folder.get(), file_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644));
        if (!file) return tl::unexpected(system_error("open", path, errno));
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK) return tl::unexpected(system_error("flock", path, errno));
            // A pmctl that looks whether a supervisor lives has it shared, for a moment.
            if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0) {
                file.close();
                ::poll(nullptr, 0, 1);
                continue;
            }
            return fail(
                fmt::format("a supervisor runs already in '{}' (pid {})", runtime_dir, pid_in(file.get())));
        }
        if (!is_still_there(file.get(), folder.get(), file_name)) continue;
        const std::string text = fmt::format("{}\n", ::getpid());
        if (::ftruncate(file.get(), 0) != 0 ||
            ::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
            return tl::unexpected(system_error("write", path, errno));
        }
        return PidFile(path, file.release());
    }
}

Result<PidFile> PidFile::resume(const std::string& runtime_dir, Descriptor fd) {
    const std::string path = runtime_dir + "/" + file_name;
    if (!is_still_there(fd.get(), AT_FDCWD, path.c_str()) || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
        return fail("'" + path + "' is not the file that was handed over");
    return PidFile(path, fd.release());
}

PidFile::~PidFile() {
    if (fd_ < 0) return;
    ::unlink(path_.c_str());
    ::close(fd_);
}

PidFile::PidFile(PidFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

Result<void> remove_stale_socket(const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) return {};
        return tl::unexpected(system_error("stat", path, errno));
    }
    if (!S_ISSOCK(info.st_mode)) {
        return fail(
            fmt::format("'{}' is in the way of the control socket and is no socket: remove it", path));
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return tl::unexpected(system_error("unlink", path, errno));
    return {};
}

}  // namespace pmctl
