// What the ended runs of an earlier supervisor leave: their orphans are not this supervisor's to reap, so
// they are looked for among all processes, by their tags.
#pragma once

#include <string>
#include <unordered_set>
#include <utility>

#include "shared/time.hpp"
#include "supervisor/core/run.hpp"

namespace pmctl {

class Strays {
  public:
    // `scope`: as in run_tag.hpp.
    explicit Strays(std::string scope) : scope_(std::move(scope)) {}

    // Whoever is left of this run is to be killed.
    void add(RunNumber run);
    bool empty() const { return runs_.empty(); }
    // One look at all processes, and a KILL to each of them. True: there is to be another look, a little
    // later.
    bool kill();
    // Looks until there are none, or `until`.
    void end(TimePoint until);

  private:
    std::string scope_;
    std::unordered_set<RunNumber> runs_;
    std::unordered_set<int> killed_;  // by the looks so far
    int looks_ = 0;                   // that found no new ones, one after the other
};

}  // namespace pmctl
