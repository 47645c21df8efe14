// How children come by another oom_score_adj than the supervisor's: it takes theirs on itself while it starts
// them, and they are born with it (fork(2) copies it), which costs them no file of /proc of their own. Only
// for a supervisor that the kernel does not spare: one that is keeps its score at every moment, and each
// child sets its own. What the scores are is limits'.
#pragma once

#include <memory>
#include <mutex>

#include "supervisor/io/descriptor.hpp"

namespace pmctl {

class LentOomScore {
  public:
    // Nothing where it is to be done otherwise: a score below 0, no such file, or one that could not be taken
    // back (proc_pid_oom_score_adj(5)).
    static std::shared_ptr<LentOomScore> make(int children);

    // The children's score for as long as there is a Loan; there may be several, on several threads.
    class Loan {
      public:
        explicit Loan(LentOomScore* from);  // null: nothing to do
        ~Loan();
        Loan(const Loan&) = delete;
        Loan& operator=(const Loan&) = delete;

      private:
        LentOomScore* from_;
    };

  private:
    LentOomScore(Descriptor file, int own, int children);
    bool set(int score) const;

    Descriptor file_;
    int own_;
    int children_;
    std::mutex mutex_;
    int loans_ = 0;
};

}  // namespace pmctl
