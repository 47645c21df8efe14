// The supervisor's program as pmctl sees it: where it is, becoming it, starting it in the background.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/session.hpp"

namespace pmctl {

// Beside this program, in ../sbin or the build tree's ../supervisor, or in PATH.
Result<std::string> find_pmctld();

// Replaces this program; returns only with an error.
Result<int> become_pmctld(Session& session, std::vector<std::string> words);

// Starts a supervisor with these words in a session of its own and waits until it has said that it is ready.
// Its log goes to `pmctld.log` beside its socket. Gives its number: it is a child, to be waited for by who
// stays. Error: what it printed when it ended before that, with the kind of its exit status.
Result<pid_t> start_pmctld(std::vector<std::string> words, const std::string& runtime_dir);

}  // namespace pmctl
