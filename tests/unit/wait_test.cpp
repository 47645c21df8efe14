#include "cli/wait.hpp"

#include <doctest/doctest.h>

using namespace pmctl;

namespace {

StatusRow row(std::string state, Outlook outlook, std::uint64_t run, std::string wanted = "running") {
    StatusRow found;
    found.name = "web";
    found.outlook = outlook;
    found.run = run;
    found.wanted = std::move(wanted);
    if (state == "Running" || state == "Starting" || state == "Stopping" || state == "Unhealthy")
        found.pid = 42;
    found.state = std::move(state);
    return found;
}

}  // namespace

TEST_CASE("a verdict for each goal and what is seen") {
    struct Case {
        Goal goal;
        StatusRow row;
        std::uint64_t before;
        Verdict verdict;
    };
    StatusRow undead = row("Failed", Outlook::Stuck, 1, "stopped");
    undead.pid = 42;
    StatusRow given_up = row("Running", Outlook::Pending, 1);
    given_up.update = UpdateRow{"failed", "not healthy in time"};
    const std::vector<Case> cases = {
        {Goal::Started, row("Starting", Outlook::Pending, 2), 1, Verdict::Open},
        {Goal::Started, row("Running", Outlook::Settled, 2), 1, Verdict::Done},
        {Goal::Started, row("Running", Outlook::Settled, 1), 1, Verdict::Done},  // it ran already
        {Goal::Started, row("Failed", Outlook::Stuck, 2), 1, Verdict::Failed},
        {Goal::Started, row("Failed", Outlook::Stuck, 1), 1,
         Verdict::Failed},  // it could not even be spawned
        {Goal::Started, row("Unhealthy", Outlook::Stuck, 1), 1, Verdict::Open},
        {Goal::Started, row("Unhealthy", Outlook::Stuck, 2), 1, Verdict::Failed},
        {Goal::Started, row("Stopped", Outlook::Pending, 0), 0, Verdict::Open},  // waits for another
        {Goal::Started, row("Stopped", Outlook::Stuck, 0), 0, Verdict::Failed},  // for one that failed
        {Goal::Started, row("Stopped", Outlook::Settled, 2), 1, Verdict::Done},  // ran, ended well
        {Goal::Started, row("Stopped", Outlook::Settled, 1, "stopped"), 1, Verdict::Failed},
        {Goal::Restarted, row("Running", Outlook::Settled, 1), 1, Verdict::Open},  // still the old run
        {Goal::Restarted, row("Stopping", Outlook::Pending, 1), 1, Verdict::Open},
        {Goal::Restarted, row("Running", Outlook::Settled, 2), 1, Verdict::Done},
        {Goal::Restarted, row("Failed", Outlook::Stuck, 2), 1, Verdict::Failed},
        {Goal::Restarted, given_up, 1, Verdict::Failed},
        {Goal::Stopped, row("Stopping", Outlook::Pending, 1, "stopped"), 1, Verdict::Open},
        {Goal::Stopped, row("Stopped", Outlook::Settled, 1, "stopped"), 1, Verdict::Done},
        {Goal::Stopped, undead, 1, Verdict::Failed},
        {Goal::Stopped, row("Running", Outlook::Settled, 2), 1, Verdict::Failed},  // another started it
        {Goal::Halted, row("Running", Outlook::Settled, 1), 0, Verdict::Open},
        {Goal::Halted, row("Failed", Outlook::Stuck, 1), 0, Verdict::Done},
        {Goal::Converged, row("Running", Outlook::Settled, 1), 0, Verdict::Done},
        {Goal::Converged, row("Stopped", Outlook::Settled, 1, "stopped"), 0, Verdict::Done},
        {Goal::Converged, row("Running", Outlook::Pending, 1), 0, Verdict::Open},  // old specification
        {Goal::Converged, row("Failed", Outlook::Stuck, 1), 0, Verdict::Failed},
        {Goal::Healthy, row("Running", Outlook::Settled, 1), 0, Verdict::Done},
        {Goal::Healthy, row("Failed", Outlook::Stuck, 1), 0, Verdict::Open},
    };
    for (const Case& each : cases) {
        INFO(static_cast<int>(each.goal) << " " << each.row.state << " run " << each.row.run);
        CHECK(judge(each.goal, each.row, each.before) == each.verdict);
    }
    CHECK(judge_gone(Goal::Stopped) == Verdict::Done);
    CHECK(judge_gone(Goal::Converged) == Verdict::Done);
    CHECK(judge_gone(Goal::Started) == Verdict::Failed);
    CHECK(judge_gone(Goal::Healthy) == Verdict::Failed);
}

TEST_CASE("a wait is over when each is decided, and says which are open, failed and gone") {
    Waiting waiting(Goal::Restarted);
    waiting.add("web", 3);
    waiting.add("db", 0);
    waiting.add("api", 7);
    waiting.add("web", 9);  // named twice
    CHECK(waiting.names() == std::vector<std::string>{"api", "db", "web"});

    StatusRow web = row("Starting", Outlook::Pending, 4);
    StatusRow stranger = row("Failed", Outlook::Stuck, 9);
    stranger.name = "stranger";
    CHECK(waiting.update({1, {web, stranger}, {}, ""}).empty());
    CHECK(waiting.open_names().size() == 3);

    web = row("Running", Outlook::Settled, 4);
    CHECK(waiting.update({2, {web}, {"db"}, ""}).size() == 2);
    CHECK(waiting.open_names() == std::vector<std::string>{"api"});
    CHECK(waiting.has_failed());  // db is gone
    CHECK_FALSE(waiting.is_over());

    // What was decided stays so, whatever comes of it later.
    StatusRow api = row("Failed", Outlook::Stuck, 8);
    api.name = "api";
    CHECK(waiting.update({3, {row("Failed", Outlook::Stuck, 4), api}, {}, ""}).size() == 1);
    CHECK(waiting.is_over());
    CHECK(waiting.items()[2].verdict == Verdict::Done);
    CHECK(waiting.items()[0].verdict == Verdict::Failed);
    CHECK(waiting.rows().size() == 2);
    CHECK(Waiting(Goal::Started).is_over());
}

TEST_CASE("of what an action was about, only what is not under way has to be looked at first") {
    Waiting waiting(Goal::Stopped);
    waiting.add(ActionReply{7,
                            {{"web", 3, "", "Stopping"},
                             {"api", 2, "", "Starting"},
                             {"db", 1, "was not running", "Stopped"},
                             {"old", 4, "", "Failed"}}});
    CHECK(waiting.asked_at() == 7);
    CHECK(waiting.names_at_rest() == std::vector<std::string>{"db", "old"});
    CHECK(waiting.items()[3].run_before == 3);
    CHECK(waiting.open_names().size() == 4);

    // A supervisor that does not say so yet: all of them.
    Waiting unsaid(Goal::Stopped);
    unsaid.add(ActionReply{7, {{"web", 3, "", ""}}});
    CHECK(unsaid.names_at_rest() == std::vector<std::string>{"web"});
}
