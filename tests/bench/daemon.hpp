// A real pmctld with a configuration and a folder of its own, for as long as the object lives, and what can
// be read about it from outside.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/client.hpp"
#include "shared/protocol.hpp"
#include "shared/time.hpp"

namespace pmctl::bench {

struct Programs {
    std::string pmctld;
    std::string pmctl;
    std::string child;  // static_child
    std::string self;   // pmctl_bench, which writes lines when asked to
};

// Starts `argv` with standard output and error to /dev/null, waits for its end: how long that took. Throws
// std::runtime_error when its status is another than `expected`.
Duration run_program(const std::vector<std::string>& argv, int expected = 0);

class Daemon {
  public:
    // `instances`: TOML of [defaults] and [instances]; [supervisor] is added. Returns when it is ready.
    // Throws std::runtime_error or std::system_error; so does everything here.
    Daemon(const Programs& programs, const std::string& instances);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    pid_t pid() const { return pid_; }
    TimePoint started_at() const { return started_at_; }
    const std::string& folder() const { return folder_; }
    std::string socket() const;

    Client& client() { return *client_; }
    // Asked again until all rows are in `state`.
    std::vector<StatusRow> rows_when_all(const std::string& state);
    // `pmctl --socket ... ARGUMENTS`, from its start to its end.
    Duration pmctl(std::vector<std::string> arguments) const;
    // SIGTERM, until the process is gone.
    Duration terminate();

    std::map<std::string, std::uint64_t> wake_ups() const;  // of each of its threads
    Duration cpu() const;                                   // of all of them
    std::uint64_t pss() const;                              // bytes

  private:
    const Programs& programs_;
    std::string folder_;      // on disk: state_dir
    std::string run_folder_;  // in memory, as /run is: runtime_dir
    pid_t pid_ = -1;
    TimePoint started_at_{};
    std::unique_ptr<Client> client_;
};

}  // namespace pmctl::bench
