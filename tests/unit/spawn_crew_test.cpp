#include "supervisor/io/spawn_crew.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "supervisor/io/run_tag.hpp"
#include "tests/unit/spawned.hpp"

namespace pmctl::test {

namespace {

// So many processes, each of which says its number into a pipe of its own and ends with it.
struct Batch {
    explicit Batch(std::size_t count) : pipes(count) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::string number = std::to_string(i);
            requests.push_back(request({"/bin/sh", "-c", "echo $PMCTL_RUN; exit " + number}, i + 1));
            if (::pipe2(pipes[i].data(), O_CLOEXEC) != 0) std::abort();
        }
        for (std::size_t i = 0; i < count; ++i) jobs.push_back({&requests[i], {pipes[i][1], -1, {}}, -1});
    }
    ~Batch() {
        for (const auto& ends : pipes) {
            ::close(ends[0]);
            ::close(ends[1]);
        }
    }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    // What the process said, and how it ended.
    std::pair<std::string, int> end(std::size_t i) {
        ::close(pipes[i][1]);
        pipes[i][1] = -1;
        const std::string said = read_all(pipes[i][0]);
        int status = -1;
        ::waitpid(jobs[i].outcome->pid, &status, 0);
        ::close(jobs[i].outcome->pidfd);
        return {said, WEXITSTATUS(status)};
    }

    std::vector<SpawnRequest> requests;
    std::vector<std::array<int, 2>> pipes;
    std::vector<SpawnJob> jobs;
};

std::unique_ptr<SpawnCrew> crew(std::optional<int> oom_score = {}) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return std::move(SpawnCrew::make({limit, oom_score}, "test").value());
}

int own_oom_score() {
    int score = -1000;
    std::ifstream("/proc/self/oom_score_adj") >> score;
    return score;
}

}  // namespace

TEST_CASE("every one of many jobs gets its own process with its own streams") {
    const auto spawners = crew();
    for (const std::size_t count : {1U, 2U, 64U, 3U}) {
        Batch batch(count);
        spawners->spawn(batch.jobs);
        std::set<pid_t> pids;
        for (const SpawnJob& job : batch.jobs) {
            REQUIRE(job.outcome.has_value());
            pids.insert(job.outcome->pid);
        }
        CHECK(pids.size() == count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto [said, status] = batch.end(i);
            const auto tag = read_run_tag("test", "PMCTL_RUN=" + said.substr(0, said.size() - 1));
            REQUIRE(tag);
            CHECK(tag->run == i + 1);
            CHECK(tag->leader == batch.jobs[i].outcome->pid);
            CHECK(status == static_cast<int>(i));
        }
    }
}

TEST_CASE("a job that fails says so at its place, and the others are started") {
    const auto spawners = crew();
    Batch batch(12);
    for (const std::size_t bad : {0U, 5U, 11U}) batch.requests[bad].argv = {"/does/not/exist"};
    spawners->spawn(batch.jobs);
    for (std::size_t i = 0; i < 12; ++i) {
        const bool bad = i == 0 || i == 5 || i == 11;
        CHECK(batch.jobs[i].outcome.has_value() != bad);
        if (bad) {
            CHECK(batch.jobs[i].outcome.error().message.find("/does/not/exist") != std::string::npos);
        } else {
            CHECK(batch.end(i).second == static_cast<int>(i));
        }
    }
}

TEST_CASE("no jobs are no work") {
    crew()->spawn({});
}

TEST_CASE("children have the oom_score_adj that they are to have, and the supervisor keeps its own") {
    const int before = own_oom_score();
    REQUIRE(before > -1000);
    const int wanted = std::min(std::max(before, 0) + 150, 1000);
    const auto spawners = crew(wanted);
    CHECK(own_oom_score() == before);
    for (const std::size_t count : {1U, 24U}) {
        Batch batch(count);
        for (SpawnRequest& each : batch.requests) each.argv[2] = "cat /proc/self/oom_score_adj";
        spawners->spawn(batch.jobs);
        CHECK(own_oom_score() == before);
        for (std::size_t i = 0; i < count; ++i) CHECK(batch.end(i).first == std::to_string(wanted) + "\n");
    }
}

}  // namespace pmctl::test
