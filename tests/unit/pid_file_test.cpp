#include "supervisor/io/pid_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <future>
#include <thread>

#include "tests/unit/spawned.hpp"

using namespace pmctl;
using test::TempFolder;

namespace {

mode_t mode_of(const std::string& path) {
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

}  // namespace

TEST_CASE("The folder is made, private, and the file says who runs") {
    const TempFolder folder;
    const std::string run = folder.path + "/a/b/run";
    {
        const auto held = PidFile::take(run);
        REQUIRE(held);
        CHECK(mode_of(run) == 0700);
        CHECK(mode_of(folder.path + "/a/b") == 0755);
        CHECK(text_of(run + "/pmctld.pid") == std::to_string(::getpid()));
        CHECK((::fcntl(held->fd(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    CHECK(::access((run + "/pmctld.pid").c_str(), F_OK) != 0);
}

TEST_CASE("Who only looks whether one runs is not taken for one") {
    const TempFolder folder;
    const Descriptor looks(::open((folder.path + "/pmctld.pid").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(::flock(looks.get(), LOCK_SH | LOCK_NB) == 0);
    std::promise<void> begun;
    std::thread takes([&] {
        begun.set_value();
        CHECK(PidFile::take(folder.path));
    });
    begun.get_future().get();
    std::this_thread::yield();
    ::flock(looks.get(), LOCK_UN);
    takes.join();
}

TEST_CASE("A second supervisor is refused, with the first one's pid, and taken when that is gone") {
    const TempFolder folder;
    {
        const auto first = PidFile::take(folder.path);
        REQUIRE(first);
        const auto second = PidFile::take(folder.path);
        REQUIRE_FALSE(second);
        CHECK(second.error().kind == ErrorKind::Failed);
        CHECK(second.error().message ==
              "a supervisor runs already in '" + folder.path + "' (pid " + std::to_string(::getpid()) + ")");
    }
    CHECK(PidFile::take(folder.path));
}

TEST_CASE("A file that a dead supervisor left is no obstacle") {
    const TempFolder folder;
    folder.file("pmctld.pid", "123456789 and more\n", 0644);
    const auto held = PidFile::take(folder.path);
    REQUIRE(held);
    CHECK(text_of(folder.path + "/pmctld.pid") == std::to_string(::getpid()));
}

TEST_CASE("A folder for a group admits it") {
    if (::geteuid() != 0) return;
    const TempFolder folder;
    const auto held = PidFile::take(folder.path + "/run", gid_t{65534});
    REQUIRE(held);
    CHECK(mode_of(folder.path + "/run") == 0750);
    struct stat info{};
    REQUIRE(::stat((folder.path + "/run").c_str(), &info) == 0);
    CHECK(info.st_gid == 65534);
}

TEST_CASE("A folder that is not ours alone is refused, and says why") {
    const TempFolder folder;
    const auto refusal = [](const std::string& path) {
        const auto taken = PidFile::take(path);
        REQUIRE_FALSE(taken);
        CHECK(taken.error().kind == ErrorKind::Denied);
        return taken.error().message;
    };
    REQUIRE(::symlink("/tmp", (folder.path + "/link").c_str()) == 0);
    CHECK(refusal(folder.path + "/link") ==
          "runtime_dir '" + folder.path + "/link' is not a folder but a file or a symbolic link");
    folder.file("file", "");
    CHECK(refusal(folder.path + "/file").ends_with("is not a folder but a file or a symbolic link"));

    const std::string open = folder.path + "/open";
    REQUIRE(::mkdir(open.c_str(), 0700) == 0);
    REQUIRE(::chmod(open.c_str(), 0770) == 0);
    CHECK(refusal(open) ==
          "runtime_dir '" + open + "' is writable by others (mode 0770): 'chmod go-w' it, or choose another");
    if (::geteuid() != 0) return;
    const std::string other = folder.path + "/other";
    REQUIRE(::mkdir(other.c_str(), 0700) == 0);
    REQUIRE(::chown(other.c_str(), 1000, 1000) == 0);
    CHECK(refusal(other) == "runtime_dir '" + other + "' belongs to uid 1000, not to uid 0: choose another");
}

TEST_CASE("A dead supervisor's socket is removed; what is no socket stays and is named") {
    const TempFolder folder;
    const std::string path = folder.path + "/pmctld.sock";
    CHECK(remove_stale_socket(path));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::close(fd);
    CHECK(remove_stale_socket(path));
    CHECK(::access(path.c_str(), F_OK) != 0);
    folder.file("pmctld.sock", "precious");
    const auto kept = remove_stale_socket(path);
    REQUIRE_FALSE(kept);
    CHECK(kept.error().message ==
          "'" + path + "' is in the way of the control socket and is no socket: remove it");
    CHECK(::access(path.c_str(), F_OK) == 0);
}
