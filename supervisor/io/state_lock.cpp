#include "supervisor/io/state_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "supervisor/io/pid_file.hpp"
#include "supervisor/io/state_files.hpp"

namespace pmctl {

Result<Descriptor> lock_state(const std::string& state_dir) {
    if (auto made = make_state_folder(state_dir); !made) return tl::unexpected(made.error());
    const std::string path = state_dir + "/lock";
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600));
    if (!file) return fail(fmt::format("cannot open '{}': {}", path, std::strerror(errno)));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return fail(fmt::format("cannot lock '{}': {}", path, std::strerror(errno)));
        return fail(
            fmt::format("state_dir '{}' is another supervisor's (pid {}), which has another runtime_dir: "
                        "end that one, or set [supervisor] state_dir",
                        state_dir, pid_in(file.get())));
    }
    // For the message of another one alone, from which it is missing where the disk is full.
    const std::string pid = fmt::format("{}\n", ::getpid());
    [[maybe_unused]] const bool is_said =
        ::ftruncate(file.get(), 0) == 0 && ::pwrite(file.get(), pid.data(), pid.size(), 0) > 0;
    return file;
}

}  // namespace pmctl
