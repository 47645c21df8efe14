#include "supervisor/io/state_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <system_error>

namespace pmctl {

namespace {

tl::unexpected<Error> refused(const std::string& what, int error) {
    return fail("state folder: '" + what + "': " + std::strerror(error));
}

}  // namespace

Result<void> make_state_folder(const std::string& state_dir) {
    std::error_code error;
    const std::filesystem::path parent = std::filesystem::path(state_dir).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, error);
    if (error) return refused(parent.string(), error.value());
    if (::mkdir(state_dir.c_str(), 0700) != 0 && errno != EEXIST) return refused(state_dir, errno);
    struct stat found{};
    if (::stat(state_dir.c_str(), &found) != 0) return refused(state_dir, errno);
    if (!S_ISDIR(found.st_mode)) return refused(state_dir, ENOTDIR);
    if (::access(state_dir.c_str(), R_OK | W_OK | X_OK) != 0) return refused(state_dir, errno);
    return {};
}

Result<void> make_state_files(const std::string& state_dir, const std::string& path) {
    if (auto made = make_state_folder(state_dir); !made) return made;
    // Made here, since SQLite would make it readable by all; -wal and -shm take their mode from it.
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (file >= 0) {
        ::close(file);
    } else if (errno != EISDIR && errno != ENXIO) {  // a folder or a socket there is damage, not a refusal
        return refused(path, errno);
    }
    return {};
}

Result<std::string> set_aside(const std::string& path, WallTime now) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(now));
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    std::array<char, 32> stamp{};
    std::strftime(stamp.data(), stamp.size(), "%Y%m%dT%H%M%SZ", &utc);
    const std::string wished = path + ".damaged-" + stamp.data();
    std::string target = wished;
    for (int n = 2; ::access(target.c_str(), F_OK) == 0; ++n) target = wished + "-" + std::to_string(n);
    if (std::rename(path.c_str(), target.c_str()) != 0)
        return fail("cannot set '" + path + "' aside: " + std::strerror(errno));
    // Without its log a database is not what it was: they stay together. Often there is none.
    for (const char* suffix : {"-wal", "-shm"})
        std::rename((path + suffix).c_str(), (target + suffix).c_str());
    return target;
}

}  // namespace pmctl
