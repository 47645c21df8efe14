// pmctld's command line as values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/result.hpp"

namespace pmctl {

struct Flags {
    std::string program;                     // own_program of argv[0]: not a flag
    std::string config;                      // --config; "": to be looked for
    std::optional<std::string> validate;     // --validate [FILE]
    std::optional<std::string> show_config;  // --show-config [ID]
    bool show_secrets = false;
    bool json = false;              // of --show-config
    bool check_upgrade = false;     // --check-upgrade
    int resume_fd = -1;             // --resume-fd: handover.hpp; what a supervisor gives its next program
    int ready_fd = -1;              // --ready-fd: "ready\n" is written there
    std::string log_file;           // --log-file; "": standard error
    std::vector<std::string> only;  // --only: the others are not started by themselves in this life
};

struct FlagsOutcome {
    std::optional<Flags> flags;  // absent: there is nothing more to do
    int status = 0;              // then the exit status; what was to be said has been said
};

FlagsOutcome parse_flags(int argc, char** argv);

}  // namespace pmctl
