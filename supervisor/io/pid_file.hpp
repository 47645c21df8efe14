// One supervisor a runtime_dir: the folder, checked for being ours alone, and <runtime_dir>/pmctld.pid,
// locked as long as the supervisor lives. What else lies in the folder is its owners'.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "shared/result.hpp"
#include "supervisor/io/descriptor.hpp"

namespace pmctl {

class PidFile {
  public:
    // Makes the folder with its parents where needed: 0700, or 0750 and `socket_group`'s where there is one.
    // Errors: a folder that is another user's, a symbolic link or writable by others; a supervisor that runs
    // already: "a supervisor runs already in '/run/pmctl' (pid 4242)". A file that a dead one left is no
    // obstacle.
    static Result<PidFile> take(const std::string& runtime_dir,
                                std::optional<gid_t> socket_group = std::nullopt);
    // The one that this process took before it replaced its program (handover.hpp). Error: `fd` is not the
    // file of that folder.
    static Result<PidFile> resume(const std::string& runtime_dir, Descriptor fd);
    // Removes the file, then gives the lock up.
    ~PidFile();
    PidFile(PidFile&& other) noexcept;
    PidFile& operator=(PidFile&&) = delete;

    // Locked by its description (flock(2)): kept over an exec where this is not close-on-exec any more.
    int fd() const { return fd_; }

  private:
    PidFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

    std::string path_;
    int fd_ = -1;
};

// What a supervisor has written into its own file of locks; "unknown" where that is no pid.
std::string pid_in(int fd);

// The socket file that a dead supervisor left, so that its path can be bound again; nothing there is well
// too. To be called with the PidFile held, which proves that its owner is dead. Error: what lies there is no
// socket.
Result<void> remove_stale_socket(const std::string& path);

}  // namespace pmctl
