// Replaces the program of this process by the one that is installed, in place: same pid, so children stay
// children. The new one checks configuration and store first (pmctld --check-upgrade), in a process of its
// own: one that does not come up changes nothing. What is handed over is handover.hpp's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/protocol.hpp"
#include "shared/result.hpp"
#include "supervisor/io/exec_check.hpp"
#include "supervisor/io/handover.hpp"
#include "supervisor/io/loop.hpp"
#include "supervisor/io/real_effects.hpp"
#include "supervisor/io/timer.hpp"

namespace pmctl {

class Upgrade {
  public:
    struct Hooks {
        // The program is not to be replaced now: `waits` is called once, and it is asked again.
        std::function<bool()> must_wait;
        std::function<void()> waits;
        // The program will be replaced in a moment: nobody new is let in, who is there is answered.
        std::function<void()> close_doors;
        // Right before the program is replaced: what is to outlast it is stored, or handed over.
        std::function<Result<Handover>()> gather;
        // It was not replaced after all.
        std::function<void()> go_on;
        // Who waits for the answer is to be asked again.
        std::function<void()> answered;
    };

    // `command`: how the next program is called, without what resumes it; the first is an absolute path.
    static Result<std::unique_ptr<Upgrade>> make(Loop& loop, RealEffects& effects,
                                                 std::vector<std::string> command, Hooks hooks);

    // Nothing while the check lasts and `may_park`. An answer is a refusal: with none the program ends.
    std::optional<Result<Reply>> ask(bool may_park);

  private:
    enum class Stage { Idle, Checking, Waiting, Leaving, Refused };

    Upgrade(Loop& loop, std::vector<std::string> command, Hooks hooks);
    void checked(const CheckResult& result);
    void go_on();
    void wait();
    void leave();
    Result<void> replace();
    void refuse(std::string reason);

    Loop& loop_;
    std::vector<std::string> command_;
    Hooks hooks_;
    std::unique_ptr<ExecChecks> checks_;
    Timer next_;
    TimePoint until_{};  // of Waiting and Leaving: no longer
    Stage stage_ = Stage::Idle;
    std::string refusal_;
};

// The path by which this program was called, where that still leads to it, else the one that it has: a link
// that is changed to another version is followed.
std::string own_program(const char* called_as);

}  // namespace pmctl
