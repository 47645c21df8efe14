// The supervisor that `pmctl up` follows, as a process: what became of it when its connections ended, and the
// next one where this call had started it and it crashed. Logs and events are the attachment's.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "cli/crashes.hpp"
#include "cli/interrupts.hpp"
#include "cli/process_watch.hpp"
#include "cli/session.hpp"

namespace pmctl {

// One that this call has started: a child of this process.
struct OwnPmctld {
    pid_t pid = 0;
    std::vector<std::string> words;  // to start it with
};

class Supervision {
  public:
    // `pid`: the one that answers at the socket.
    Supervision(Session& session, std::string socket, pid_t pid, std::optional<OwnPmctld> own);

    bool owns() const { return own_.has_value(); }
    // The process that answers now. Another's supervisor may have died, and the next one begun, unseen.
    void joined(pid_t pid);
    enum class Next { Attach, End };
    // Its connections are lost. Attach: a supervisor answers at the socket, the same one with another
    // program, or the next one: then story() says what happened, where it is worth a word. End: it ended as
    // it was told to, or an interrupt detaches from it. Error: Unavailable, it died and none goes on.
    Result<Next> go_on(Interrupts& interrupts);
    const std::string& story() const { return story_; }

  private:
    void watch(pid_t pid);  // from now on this one is meant
    Result<Next> await_its_end(Interrupts& interrupts);
    Result<Next> start_again(int status, Interrupts& interrupts);
    Result<Next> await_another(Interrupts& interrupts);
    std::optional<pid_t> who_answers() const;
    bool is_closed() const;
    std::string advice() const;

    Session& session_;
    std::string socket_;
    std::optional<OwnPmctld> own_;
    pid_t pid_ = 0;
    ProcessWatch watch_;
    Crashes crashes_;
    std::string story_;
};

}  // namespace pmctl
