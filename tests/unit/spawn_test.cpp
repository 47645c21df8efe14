#include "supervisor/io/spawn.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "supervisor/io/listeners.hpp"
#include "tests/unit/spawned.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

std::size_t open_descriptors() {
    std::size_t count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
}

std::string line_of(const std::string& text, const std::string& start) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(start)) return line;
    }
    return {};
}

bool is_root() {
    return ::geteuid() == 0;
}

// A supervisor of an ordinary user, for as long as this lives.
class AsNobody {
  public:
    AsNobody() { changed_ = ::setresgid(65534, 65534, 0) == 0 && ::setresuid(65534, 65534, 0) == 0; }
    ~AsNobody() { changed_ = ::setresuid(0, 0, 0) == 0 && ::setresgid(0, 0, 0) == 0; }
    AsNobody(const AsNobody&) = delete;
    AsNobody& operator=(const AsNobody&) = delete;
    bool changed() const { return changed_; }

  private:
    bool changed_ = false;
};

}  // namespace

TEST_CASE("A child has the folder, environment, arguments and umask of its request") {
    auto spawner = test::spawner();
    auto wanted = request({"sh", "-c", "pwd; umask; echo \"$0 $1\"; echo $COLOUR", "a b", "c"});
    wanted.working_dir = "/usr";
    wanted.umask = 0027;
    wanted.env.push_back("COLOUR=blue");
    const auto outcome = run(spawner, wanted);
    CHECK(outcome.failure == "");
    CHECK(outcome.out == "/usr\n0027\na b c\nblue\n");
    CHECK(outcome.status == 0);
}

TEST_CASE("A child is tagged with its run and sees nothing of the supervisor's own environment") {
    auto spawner = test::spawner("scope");
    auto wanted = request({"env"}, 17);
    wanted.env.push_back("PMCTL_RUN=outer:4");
    wanted.log_name = "web:1";
    wanted.port = 30001;
    wanted.fingerprint = "0123456789abcdef";
    const std::string out = run(spawner, wanted).out;
    const std::string expected =
        "PATH=/usr/local/bin:/usr/bin:/bin\nPMCTL_RUN=scope web:1 17 30001 - 0123456789abcdef ";
    REQUIRE(out.starts_with(expected));
    CHECK(std::stoi(out.substr(expected.size())) > 1);
}

TEST_CASE("The tag names the process that was started, also to the children of that one") {
    auto spawner = test::spawner("scope");
    const std::string script = "echo $$; /bin/sh -c 'echo $PMCTL_RUN'";
    const auto outcome = run(spawner, request({"/bin/sh", "-c", script}, 17));
    const auto line = outcome.out.find('\n');
    REQUIRE(line != std::string::npos);
    CHECK(outcome.out.substr(line + 1) == "scope test 17 0 - - " + outcome.out.substr(0, line) + "\n");
}

TEST_CASE("A child leads a session and a group of its own, with no terminal and no input") {
    auto spawner = test::spawner();
    const auto outcome =
        shell(spawner,
              "read pid comm state ppid pgrp session rest < /proc/$$/stat; "
              "test $pid = $pgrp -a $pid = $session && echo leader; cat; readlink /proc/$$/fd/0");
    CHECK(outcome.out == "leader\n/dev/null\n");
}

TEST_CASE("A child begins with no signal blocked, ignored or caught, whatever the supervisor does") {
    auto spawner = test::spawner();
    const auto old_pipe = ::signal(SIGPIPE, SIG_IGN);
    const auto old_user = ::signal(SIGUSR2, [](int) {});
    const auto old_real = ::signal(SIGRTMIN + 3, SIG_IGN);
    sigset_t blocked;
    sigset_t before;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGUSR1);
    ::sigaddset(&blocked, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &blocked, &before);
    const auto outcome = run(spawner, request({"cat", "/proc/self/status"}));
    sigset_t after;
    ::sigprocmask(SIG_SETMASK, &before, &after);
    CHECK(line_of(outcome.out, "SigBlk") == "SigBlk:\t0000000000000000");
    CHECK(line_of(outcome.out, "SigIgn") == "SigIgn:\t0000000000000000");
    CHECK(line_of(outcome.out, "SigCgt") == "SigCgt:\t0000000000000000");
    CHECK(::sigismember(&after, SIGUSR1) == 1);
    CHECK(::sigismember(&after, SIGTERM) == 0);
    CHECK((::signal(SIGPIPE, old_pipe) == SIG_IGN));
    CHECK((::signal(SIGRTMIN + 3, old_real) == SIG_IGN));
    CHECK((::signal(SIGUSR2, old_user) != SIG_DFL));
}

TEST_CASE("No descriptor leaks into a child, and none stays open in the supervisor") {
    auto spawner = test::spawner();
    std::vector<int> leaks;
    for (int i = 0; i < 100; ++i) leaks.push_back(::open("/dev/null", O_RDONLY));  // without close-on-exec
    const auto before = open_descriptors();
    // ls opens the folder itself, as 3.
    CHECK(run(spawner, request({"ls", "/proc/self/fd"})).out == "0\n1\n2\n3\n");
    CHECK(run(spawner, request({"./none"})).failure != "");
    auto lost = request({"true"});
    lost.working_dir = "/none";
    CHECK(run(spawner, lost).failure != "");
    CHECK(open_descriptors() == before);
    for (const int fd : leaks) ::close(fd);
}

TEST_CASE("A child's streams are its own alone: they end when it does") {
    auto spawner = test::spawner();
    CHECK(shell(spawner, "echo out; echo err >&2").out == "out\nerr\n");
}

TEST_CASE("Limits: the asked ones, and otherwise those that the supervisor was started with") {
    rlimit own{};
    ::getrlimit(RLIMIT_NOFILE, &own);
    auto spawner = Spawner::make({{512, own.rlim_max}, {}}, "test");
    REQUIRE(spawner);
    CHECK(shell(*spawner, "ulimit -S -n").out == "512\n");
    auto wanted = request({"sh", "-c", "ulimit -S -n; ulimit -H -n; ulimit -S -c"});
    wanted.limits.open_files = 77;
    wanted.limits.core_size = 1024;
    CHECK(run(*spawner, wanted).out == "77\n77\n2\n");  // in blocks of 512 bytes
}

TEST_CASE("A limit over what is permitted becomes what is permitted") {
    rlimit own{};
    ::getrlimit(RLIMIT_NOFILE, &own);
    auto spawner = test::spawner();
    auto wanted = request({"sh", "-c", "ulimit -n"});
    wanted.limits.open_files = std::uint64_t{1} << 40;  // over fs.nr_open: not even root may
    CHECK(run(spawner, wanted).out == std::to_string(own.rlim_max) + "\n");
}

TEST_CASE("A handed-over socket is descriptor 3 and LISTEN_PID is the child's own") {
    auto spawner = test::spawner();
    const int fd = listen_everywhere(0, 1);
    REQUIRE(fd >= 0);
    const int second = ::dup(fd);
    auto wanted = request({"sh", "-c",
                           "test $LISTEN_PID = $$ && echo own; echo $LISTEN_FDS; ls /proc/$$/fd; "
                           "readlink /proc/$$/fd/3 /proc/$$/fd/4"});
    wanted.env.push_back("LISTEN_PID=1");
    const auto outcome = run(spawner, wanted, {fd, second});
    std::array<char, 64> link{};
    const auto length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), link.data(), link.size());
    const std::string socket(link.data(), static_cast<std::size_t>(length));
    CHECK(outcome.out.starts_with("own\n2\n0\n1\n2\n3\n4\n"));
    CHECK(outcome.out.ends_with(socket + "\n" + socket + "\n"));
    ::close(fd);
    ::close(second);
}

TEST_CASE("What the environment that many share has is hidden by a request's own") {
    auto spawner = test::spawner();
    auto wanted = request({"sh", "-c", "echo $A,$AB,$C,$D; env | grep -c '^A='"});
    wanted.base_env = std::make_shared<const std::vector<std::string>>(
        std::vector<std::string>{"A=base", "AB=base", "C=base", "PATH=/none"});
    wanted.env.insert(wanted.env.end(), {"A=own", "C=", "D=own"});
    CHECK(run(spawner, wanted).out == "own,base,,own\n1\n");
    wanted.env = {"D=own"};
    CHECK(run(spawner, wanted).failure == "exec 'sh': not found in PATH '/none'");
}

TEST_CASE("A program without a slash is looked up in the child's own PATH") {
    auto spawner = test::spawner();
    const TempFolder folder;
    folder.file("greet", "#!/bin/sh\necho hello\n");
    folder.file("closed", "#!/bin/sh\n", 0644);
    auto wanted = request({"greet"});
    wanted.env = {"PATH=/none:" + folder.path + ":/bin"};
    CHECK(run(spawner, wanted).out == "hello\n");
    wanted.env = {"PATH=/none:/usr/bin"};
    CHECK(run(spawner, wanted).failure == "exec 'greet': not found in PATH '/none:/usr/bin'");
    wanted.env = {};
    CHECK(run(spawner, wanted).failure == "exec 'greet': not found in PATH '/bin:/usr/bin'");
    wanted = request({"closed"});
    wanted.env = {"PATH=" + folder.path + ":/none"};
    CHECK(run(spawner, wanted).failure == "exec 'closed': Permission denied (not executable)");
    // An empty part is the working folder.
    wanted = request({"greet"});
    wanted.env = {"PATH=/none:"};
    wanted.working_dir = folder.path;
    CHECK(run(spawner, wanted).out == "hello\n");
}

TEST_CASE("A step that fails is named, with its object and the reason") {
    auto spawner = test::spawner();
    const TempFolder folder;
    folder.file("server", "#!/bin/sh\n", 0644);
    folder.file("orphan", "#!/usr/bin/foo -x\n");
    folder.file("dos", "#!/bin/sh\r\n");
    folder.file("data", "no program");
    const auto failure = [&](const std::string& program) {
        auto wanted = request({program});
        wanted.working_dir = folder.path;
        const auto outcome = run(spawner, wanted);
        CHECK_FALSE(outcome.transient);
        return outcome.failure;
    };
    CHECK(failure("./none") == "exec './none': No such file or directory");
    CHECK(failure("/") == "exec '/': Permission denied (a folder)");
    CHECK(failure("./server") == "exec './server': Permission denied (not executable)");
    CHECK(failure("./orphan") ==
          "exec './orphan': the interpreter '/usr/bin/foo' named on its first line does not exist");
    CHECK(failure("./dos") ==
          "exec './dos': the interpreter '/bin/sh' named on its first line does not exist "
          "(the line ends in a carriage return)");
    CHECK(failure("./data") ==
          "exec './data': Exec format error (neither a program for this machine nor a "
          "script with a '#!' line)");
    CHECK(failure("./server/x") == "exec './server/x': Not a directory");
    CHECK(run(spawner, request({})).failure == "exec '': the command is empty");

    auto wanted = request({"true"});
    wanted.working_dir = "/srv/none";
    CHECK(run(spawner, wanted).failure == "chdir '/srv/none': No such file or directory");
    wanted = request({"true"});
    wanted.user = "no-such-user";
    CHECK(run(spawner, wanted).failure == "user 'no-such-user': no such user");
    wanted.user = "";
    wanted.group = "no-such-group";
    CHECK(run(spawner, wanted).failure == "group 'no-such-group': no such group");
    wanted.group = "";
    wanted.user = "3999999999";
    CHECK(run(spawner, wanted).failure ==
          "user '3999999999': no such user in the password database, so 'group_id' must be set");
}

TEST_CASE("Arguments that the kernel finds too long are a failure that says so") {
    auto spawner = test::spawner();
    CHECK(run(spawner, request({"true", std::string(std::size_t{1} << 20, 'x')})).failure ==
          "exec 'true': Argument list too long");
}

TEST_CASE("As another user: its ids and groups, and its home unless the instance says otherwise") {
    if (!is_root()) return;
    ::setenv("HOME", "/root", 1);
    ::setenv("USER", "root", 1);
    ::setenv("SHELL", "/bin/bash", 1);
    auto spawner = test::spawner();
    auto wanted = request({"sh", "-c", "id -u; id -g; id -G; echo $HOME $USER $LOGNAME $SHELL"});
    wanted.user = "daemon";
    wanted.env.push_back("HOME=/root");       // inherited
    wanted.env.push_back("USER=someone");     // chosen
    wanted.env.push_back("SHELL=/bin/bash");  // inherited
    CHECK(run(spawner, wanted).out == "1\n1\n1\n/usr/sbin someone daemon /usr/sbin/nologin\n");
    wanted.user = "1";
    wanted.group = "nogroup";
    CHECK(run(spawner, wanted).out == "1\n65534\n65534\n/usr/sbin someone daemon /usr/sbin/nologin\n");
    wanted.user = "4000";
    wanted.group = "4001";
    CHECK(run(spawner, wanted).out == "4000\n4001\n4001\n/root someone /bin/bash\n");
    wanted = request({"sh", "-c", "id -u; id -g"});
    wanted.group = "nogroup";
    CHECK(run(spawner, wanted).out == "0\n65534\n");
}

TEST_CASE("A folder or program that its user may not reach is an error of that user") {
    if (!is_root()) return;
    auto spawner = test::spawner();
    const TempFolder folder;  // 0700, of root
    folder.file("server", "#!/bin/sh\n", 0700);
    auto wanted = request({folder.path + "/server"});
    wanted.user = "nobody";
    CHECK(run(spawner, wanted).failure.starts_with("exec '" + folder.path + "/server': Permission denied"));
    wanted.working_dir = folder.path;
    CHECK(run(spawner, wanted).failure == "chdir '" + folder.path + "': Permission denied");
}

TEST_CASE("A change of user by who may not is refused by name") {
    if (!is_root()) return;
    auto spawner = test::spawner();
    auto wanted = request({"true"});
    wanted.user = "daemon";
    Outcome outcome;
    Outcome own;
    {
        const AsNobody nobody;
        REQUIRE(nobody.changed());
        outcome = run(spawner, wanted);
        wanted.user = "nobody";
        own = run(spawner, wanted);
    }
    CHECK(outcome.failure ==
          "setuid 'daemon': Operation not permitted (the supervisor does not run as root)");
    CHECK(own.failure == "");
    CHECK(own.status == 0);
}

TEST_CASE("A refused fork is a transient failure") {
    if (!is_root()) return;
    auto spawner = test::spawner();
    rlimit before{};
    ::getrlimit(RLIMIT_NPROC, &before);
    Outcome outcome;
    {
        const AsNobody nobody;
        REQUIRE(nobody.changed());
        const rlimit none{0, before.rlim_max};
        ::setrlimit(RLIMIT_NPROC, &none);
        outcome = run(spawner, request({"true"}));
        ::setrlimit(RLIMIT_NPROC, &before);
    }
    CHECK(outcome.failure ==
          "clone: Resource temporarily unavailable (the limit on the number of processes is reached)");
    CHECK(outcome.transient);
}

TEST_CASE("A full table of descriptors is a transient failure, and heals") {
    auto spawner = test::spawner();
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit few{64, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    std::vector<int> open;
    for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) open.push_back(fd);
    const auto child = spawner.spawn(request({"true"}), {});
    ::setrlimit(RLIMIT_NOFILE, &before);
    for (const int fd : open) ::close(fd);
    REQUIRE_FALSE(child);
    CHECK(child.error().message == "clone: Too many open files");
    CHECK(child.error().transient);
    CHECK(run(spawner, request({"true"})).status == 0);
}

TEST_CASE("A failed start leaves no zombie") {
    auto spawner = test::spawner();
    CHECK(run(spawner, request({"./none"})).failure != "");
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
    CHECK(errno == ECHILD);
}

TEST_CASE("The supervisor can still be dumped after a child changed its user") {
    if (!is_root()) return;
    auto spawner = test::spawner();
    auto wanted = request({"true"});
    wanted.user = "nobody";
    CHECK(run(spawner, wanted).status == 0);
    struct stat info{};
    CHECK(::stat("/proc/self/environ", &info) == 0);
    CHECK(info.st_uid == ::geteuid());
}

TEST_CASE(
    "A child gets the score for the want of memory that it is to have, and the supervisor keeps its own") {
    const auto score_of = [](const std::optional<int>& given) {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        auto spawner = Spawner::make({limit, given}, "test").value();
        return run(spawner, request({"cat", "/proc/self/oom_score_adj"})).out;
    };
    const auto own_score = [] {
        int score = 0;
        std::ifstream("/proc/self/oom_score_adj") >> score;
        return score;
    };
    const int own = own_score();
    // Raising is everybody's right.
    const int higher = std::min(own + 57, 1000);
    CHECK(score_of(higher) == std::to_string(higher) + "\n");
    CHECK(score_of(std::nullopt) == std::to_string(own) + "\n");
    CHECK(own_score() == own);
}
