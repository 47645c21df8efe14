#include "supervisor/io/pidfd.hpp"

#include <doctest/doctest.h>

#include "supervisor/io/proc_files.hpp"
#include "tests/unit/event_wait.hpp"
#include "tests/unit/orphanage.hpp"
#include "tests/unit/spawned.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

struct Process {
    pid_t pid;
    Descriptor pidfd = open_pidfd(pid);
    std::uint64_t start = read_proc_stat(pid).value().start_ticks;

    EndReport report() const { return end_report(pidfd.get(), pid, start); }
};

bool is_known(const EndReport& report, const ExitStatus& status) {
    return report.kind == EndReport::Kind::Known && report.status == status;
}

}  // namespace

TEST_CASE("a process that another one reaps tells how it ended") {
    Orphanage others(own_scope());
    Told told;
    const std::string wait = "read go < " + told.path;
    const Process code{others.start(1, wait + "; exit 7")};
    const Process signalled{others.start(2, "exec sleep 1000")};
    CHECK_FALSE(is_child(code.pidfd.get()));
    CHECK_FALSE(has_ended(code.pidfd.get()));
    CHECK(code.report().kind == EndReport::Kind::NotYet);

    told.say("go");
    REQUIRE(signal_process(signalled.pidfd.get(), SIGUSR1));
    REQUIRE(has_ended(code.pidfd.get(), cap));
    REQUIRE(has_ended(signalled.pidfd.get(), cap));
    if (!kernel_tells()) return;
    CHECK(is_known(code.report(), {ExitStatus::Kind::Code, 7}));
    CHECK(is_known(signalled.report(), {ExitStatus::Kind::Signal, SIGUSR1}));
}

TEST_CASE("a zombie that nobody has reaped tells it as well, and the same when it is gone") {
    Orphanage others(own_scope(), Reaping::WhenTold);
    for (const auto& [script, status] :
         {std::pair{"exit 0", ExitStatus{ExitStatus::Kind::Code, 0}},
          std::pair{"exit 9", ExitStatus{ExitStatus::Kind::Code, 9}},
          std::pair{"kill -SEGV $$", ExitStatus{ExitStatus::Kind::Signal, SIGSEGV}}}) {
        CAPTURE(script);
        const Process process{others.start(1, script)};
        REQUIRE(has_ended(process.pidfd.get(), cap));
        CHECK(is_known(process.report(), status));
        CHECK(is_known(process.report(), status));
        REQUIRE(others.reap() == 1);
        if (kernel_tells()) CHECK(is_known(process.report(), status));
    }
}

TEST_CASE("to who may not look at it a zombie tells nothing, and how it ended when it is reaped") {
    if (::geteuid() != 0) return;  // another user is needed
    Orphanage others(own_scope(), Reaping::WhenTold);
    const Process process{others.start(1, "exit 0")};
    REQUIRE(has_ended(process.pidfd.get(), cap));
    std::array<int, 2> talk{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, talk.data()) == 0);
    const pid_t nobody = ::fork();
    REQUIRE(nobody >= 0);
    if (nobody == 0) {
        char go = 0;
        if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(1);
        if (process.report().kind != EndReport::Kind::NotYet) ::_exit(2);
        if (::send(talk[1], "z", 1, 0) != 1 || ::recv(talk[1], &go, 1, 0) != 1) ::_exit(3);
        const EndReport report = process.report();
        const bool right = kernel_tells() ? is_known(report, {ExitStatus::Kind::Code, 0})
                                          : report.kind == EndReport::Kind::Never;
        ::_exit(right ? 0 : 4);
    }
    char seen = 0;
    ::close(talk[1]);
    CHECK(::recv(talk[0], &seen, 1, 0) == 1);
    CHECK(others.reap() == 1);
    CHECK(::send(talk[0], "g", 1, MSG_NOSIGNAL) == 1);
    int status = -1;
    REQUIRE(::waitpid(nobody, &status, 0) == nobody);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    ::close(talk[0]);
}

TEST_CASE("a child tells it by being reaped") {
    auto spawner = test::spawner();
    const auto child = spawner.spawn(request({"/bin/sh", "-c", "exit 3"}), {});
    REQUIRE(child);
    const Descriptor pidfd(child->pidfd);
    CHECK(is_child(pidfd.get()));
    REQUIRE(has_ended(pidfd.get(), cap));
    CHECK(is_child(pidfd.get()));
    CHECK(is_known(end_report(pidfd.get(), child->pid, 0), {ExitStatus::Kind::Code, 3}));
    CHECK_FALSE(is_child(pidfd.get()));
}

TEST_CASE("a group is reached through its leader, also when that one has ended") {
    Orphanage others(own_scope());
    Told told;
    const Process leader{others.start(1, "sleep 1000 & echo $! > " + told.path + "; wait")};
    const Process member{told.pid()};
    REQUIRE(signal_process(leader.pidfd.get(), SIGKILL));
    REQUIRE(has_ended(leader.pidfd.get(), cap));
    CHECK_FALSE(has_ended(member.pidfd.get()));
    if (!kernel_tells()) return;  // 6.9 would do
    CHECK(signal_group(leader.pidfd.get(), leader.pid, SIGKILL));
    CHECK(has_ended(member.pidfd.get(), cap));
    CHECK_FALSE(signal_group(leader.pidfd.get(), leader.pid, SIGKILL));
}

TEST_CASE("there is no descriptor for what is no process") {
    CHECK_FALSE(open_pidfd(-1));
    const pid_t ended = ::fork();
    if (ended == 0) ::_exit(0);
    ::waitpid(ended, nullptr, 0);
    CHECK_FALSE(open_pidfd(ended));
    CHECK(errno == ESRCH);
}

TEST_CASE("the stat of a process is read whatever its name is") {
    const auto stat =
        parse_proc_stat("42 (a ) (b) 1) S 7 8 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2\n");
    REQUIRE(stat);
    CHECK(stat->state == 'S');
    CHECK(stat->parent == 7);
    CHECK(stat->group == 8);
    CHECK(stat->session == 9);
    CHECK(stat->start_ticks == 987654);
    CHECK(stat->wait_status == 0);
    for (const char* text : {"", "42", "42 (a)", "42 (a) ", "42 (a) S 1 2 3", "42 (a) S x 8 9 0 -1 4"})
        CHECK_FALSE(parse_proc_stat(text));
    const auto own = read_proc_stat(::getpid());
    REQUIRE(own);
    CHECK(own->parent == ::getppid());
    CHECK(own->group == ::getpgrp());
    CHECK_FALSE(read_proc_stat(-1));
    CHECK(age_of(own->start_ticks) < std::chrono::hours(1));
    CHECK(boot_id().size() == 36);
}

TEST_CASE("The clock tells of a child what /proc says of its beginning") {
    auto spawner = test::spawner();
    int known = 0;
    for (int i = 0; i < 100 && known < 5; ++i) {
        const auto child = spawner.spawn(request({"sleep", "1000"}), {});
        REQUIRE(child);
        const auto stat = read_proc_stat(child->pid);
        ::kill(child->pid, SIGKILL);
        ::waitpid(child->pid, nullptr, 0);
        ::close(child->pidfd);
        REQUIRE(stat);
        // 0: a tick ended in between.
        if (child->start_ticks == 0) continue;
        CHECK(child->start_ticks == stat->start_ticks);
        ++known;
    }
    CHECK(known == 5);
}
