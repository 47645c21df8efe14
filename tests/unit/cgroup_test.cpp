#include "supervisor/io/cgroup.hpp"

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstddef>
#include <fstream>

#include "supervisor/io/process_table.hpp"
#include "tests/unit/event_wait.hpp"
#include "tests/unit/spawned.hpp"

using namespace pmctl;
using namespace pmctl::test;

TEST_CASE("One's own cgroup is found through its mount") {
    const std::string hybrid = "5:memory:/x\n1:name=systemd:/y\n0::/system.slice/pmctld.service\n";
    const std::string unified =
        "31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    CHECK(cgroup_folder(hybrid, unified) == "/sys/fs/cgroup/system.slice/pmctld.service");
    CHECK(cgroup_folder("0::/\n", unified) == "/sys/fs/cgroup");
    CHECK(cgroup_folder("5:memory:/x\n", unified) == std::nullopt);
    CHECK(cgroup_folder("0::/a\n", "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n") ==
          std::nullopt);
    CHECK(cgroup_folder("0::/a\n", "") == std::nullopt);
}

TEST_CASE("A container's mount of a part of the tree, and names with spaces, are understood") {
    const std::string part = "40 30 0:27 /docker/abc /sys/fs/my\\040cgroup rw - cgroup2 cgroup rw\n";
    CHECK(cgroup_folder("0::/docker/abc\n", part) == "/sys/fs/my cgroup");
    CHECK(cgroup_folder("0::/docker/abc/d\n", part) == "/sys/fs/my cgroup/d");
    CHECK(cgroup_folder("0::/docker/abcd\n", part) == std::nullopt);
    CHECK(cgroup_folder("0::/\n", part) == std::nullopt);
}

TEST_CASE("Controllers, quotas and events are in the kernel's own words") {
    CHECK(parse_controllers("cpuset cpu io memory hugetlb pids\n") == CgroupControllers{true, true, true});
    CHECK(parse_controllers("cpuset\n") == CgroupControllers{});
    CHECK(parse_controllers("") == CgroupControllers{});
    CHECK(cpu_max(1.5) == "150000 100000");
    CHECK(cpu_max(0.29) == "29000 100000");
    CHECK(cpu_max(0.0001) == "1000 100000");
    CHECK(keyed_value("low 0\noom 3\noom_kill 2\n", "oom_kill") == 2);
    CHECK(keyed_value("oom_kill_disable 1\n", "oom_kill") == 0);
}

TEST_CASE("Only limits that need a group ask for one") {
    LimitSettings limits;
    limits.open_files = 100;
    CHECK_FALSE(wants_group(limits));
    limits.tasks = 5;
    CHECK(wants_group(limits));
}

TEST_CASE("Without delegation there is one sentence, and no group for limits that cannot be held") {
    const auto found = Cgroups::find();
    if (!found) {
        // The sentence goes on from "limits of memory are not in force: ".
        const std::string& why = found.error().message;
        CHECK(why.find('\n') == std::string::npos);
        CHECK_FALSE(why.ends_with('.'));
        const bool is_named = why == "cgroup v2 is not mounted here" || why.find("'/") != std::string::npos;
        CHECK(is_named);
    }
    CHECK_FALSE(Cgroups::at("/tmp"));
}

TEST_CASE("That the kernel killed for want of memory is read from the group") {
    const TempFolder folder;
    const auto group = RunCgroup::reopen(folder.path);
    REQUIRE(group);
    CHECK(group->end_note().empty());
    std::ofstream(folder.path + "/memory.events") << "low 0\nmax 31\noom 1\noom_kill 0\n";
    CHECK(group->end_note().empty());
    std::ofstream(folder.path + "/memory.events") << "low 0\nmax 31\noom 1\noom_kill 2\n";
    CHECK(group->end_note() == "out of memory: limits.memory was reached");
}

namespace {

// A cgroup2 file system of the test's own mounting, where the kernel permits; else "".
struct Mounted {
    TempFolder folder;
    std::string group;

    Mounted() {
        if (::mount("none", folder.path.c_str(), "cgroup2", 0, nullptr) != 0) return;
        const std::string path = folder.path + "/pmctl-test-" + std::to_string(::getpid());
        if (::mkdir(path.c_str(), 0755) == 0) group = path;
    }
    ~Mounted() {
        if (!group.empty()) ::rmdir(group.c_str());
        ::umount2(folder.path.c_str(), MNT_DETACH);
    }
    Mounted(const Mounted&) = delete;
    Mounted& operator=(const Mounted&) = delete;
};

}  // namespace

TEST_CASE("A child is born into its group, and everything in it goes with its run") {
    const Mounted mounted;
    if (mounted.group.empty()) {
        MESSAGE("no cgroup2 may be mounted here");
        return;
    }
    const auto groups = Cgroups::at(mounted.group);
    REQUIRE(groups);
    auto group = groups->make("web:1", 7, {});
    REQUIRE(group);
    const std::string folder = group->folder();
    CHECK(folder == mounted.group + "/run-web:1-7");

    TestLoop events;
    auto spawner = test::spawner();
    bool ended = false;
    std::unique_ptr<ProcessTable> table =
        ProcessTable::make(events.loop, "test", [&](RunNumber run, ExitStatus) {
            ended = true;
            table->clean_up(run);
        }).value();
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    // A daemon with a session of its own and no tag: only the group knows whose it is.
    const auto child = spawner.spawn(
        request({"sh", "-c",
                 "cat /proc/self/cgroup; (env -i /usr/bin/setsid sh -c 'echo $$; exec >&-; sleep 1000' &); "
                 "exec >&- 2>&-; sleep 1000"},
                7),
        {ends[1], -1, {}}, group->fd());
    ::close(ends[1]);
    REQUIRE(child);
    REQUIRE(table->add(7, *child, std::make_unique<RunCgroup>(std::move(*group))));
    const std::string said = read_all(ends[0]);
    ::close(ends[0]);
    CHECK(said.find("0::/pmctl-test-" + std::to_string(::getpid()) + "/run-web:1-7\n") != std::string::npos);
    const pid_t daemon = std::stoi(said.substr(said.rfind('\n', said.size() - 2) + 1));
    CHECK(::kill(daemon, 0) == 0);

    ::kill(child->pid, SIGKILL);
    CHECK(events.until([&] { return ended; }));
    CHECK(events.until([&] { return ::kill(daemon, 0) != 0; }));
    CHECK(events.until([&] { return ::access(folder.c_str(), F_OK) != 0; }));
}

namespace {

// What container engines do: clone3 is not there.
bool without_clone3() {
    std::array<sock_filter, 4> program = {
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

TEST_CASE("Where clone3 is filtered away a child joins its group by itself") {
    const Mounted mounted;
    if (mounted.group.empty()) return;
    const auto groups = Cgroups::at(mounted.group);
    REQUIRE(groups);
    auto group = groups->make("web", 9, {});
    REQUIRE(group);
    const std::string wanted = "/run-web-9\n";
    // In a process of its own, since a filter stays.
    const pid_t filtered = ::fork();
    if (filtered == 0) {
        if (!without_clone3()) ::_exit(2);
        auto spawner = test::spawner();
        const auto outcome = run(spawner, request({"cat", "/proc/self/cgroup"}), {}, group->fd());
        ::_exit(outcome.out.find(wanted) != std::string::npos ? 0 : 1);
    }
    int status = -1;
    CHECK(::waitpid(filtered, &status, 0) == filtered);
    CHECK(status == 0);
    CHECK(group->remove());
}

TEST_CASE("A limit whose controller is not delegated is left out, and said to be") {
    const Mounted mounted;
    if (mounted.group.empty()) return;
    const auto groups = Cgroups::at(mounted.group);
    REQUIRE(groups);
    const std::string lack = "'" + mounted.group + "' lacks controllers: memory, cpu, pids";
    CHECK(groups->limits() == GroupLimits{.why_not = lack});
    LimitSettings limits;
    limits.memory = 1 << 20;
    limits.cpu = 0.5;
    limits.tasks = 3;
    const auto group = groups->make("web", 8, limits);
    REQUIRE(group);
    CHECK(::access((mounted.group + "/run-web-8").c_str(), F_OK) == 0);
    CHECK(RunCgroup::reopen(group->folder())->remove());
}
