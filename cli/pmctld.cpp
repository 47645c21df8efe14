#include "cli/pmctld.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "shared/path.hpp"

namespace pmctl {

namespace {

bool is_program(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> found;
    found.reserve(words.size() + 1);
    for (std::string& word : words) found.push_back(word.data());
    found.push_back(nullptr);
    return found;
}

// The folder that the supervisor will use, so that its log can be opened there: made with the owner alone
// inside, and refused where it is another's.
Result<void> private_folder(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        if (const std::string parent = folder_of(path); parent != path) {
            struct stat above{};
            if (::stat(parent.c_str(), &above) != 0) {
                if (auto made = private_folder(parent); !made) return made;
            }
        }
        if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
            return fail("cannot make the folder '" + path + "': " + std::strerror(errno));
        if (::lstat(path.c_str(), &status) != 0) return fail("'" + path + "': " + std::strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) return fail("'" + path + "' is no folder");
    if (status.st_uid != ::geteuid() || (status.st_mode & 0022) != 0) {
        return fail(ErrorKind::Denied,
                    "the runtime folder '" + path + "' belongs to another user or others may write to it");
    }
    return {};
}

struct Ends {
    int read = -1;
    int write = -1;
    Ends() = default;
    Ends(const Ends&) = delete;
    Ends& operator=(const Ends&) = delete;
    ~Ends() {
        close_write();
        if (read >= 0) ::close(read);
    }
    bool open() {
        std::array<int, 2> both{};
        if (::pipe2(both.data(), O_CLOEXEC) != 0) return false;
        read = both[0];
        write = both[1];
        return true;
    }
    void close_write() {
        if (write >= 0) ::close(std::exchange(write, -1));
    }
    // False at the end.
    bool append_to(std::string& text) const {
        std::array<char, 4096> piece{};
        const ssize_t count = ::read(read, piece.data(), piece.size());
        if (count > 0) text.append(piece.data(), static_cast<std::size_t>(count));
        return count > 0 || (count < 0 && errno == EINTR);
    }
};

// `ready` and the messages go over descriptors of the child's own.
constexpr int ready_fd = 3;

Result<pid_t> spawn(const std::string& program, std::vector<std::string> words, const Ends& ready,
                    const Ends& messages) {
    words.insert(words.begin(), program);
    posix_spawn_file_actions_t files{};
    posix_spawnattr_t how{};
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&how);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, messages.write, STDERR_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, ready.write, ready_fd);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&how, &none);
    ::posix_spawnattr_setsigdefault(&how, &all);
    ::posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, program.c_str(), &files, &how, pointers(words).data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&how);
    if (error != 0) return fail("cannot start '" + program + "': " + std::strerror(error));
    return pid;
}

ErrorKind kind_of(int status) {
    for (const ErrorKind kind : {ErrorKind::Invalid, ErrorKind::Unsettled, ErrorKind::NotFound,
                                 ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Denied}) {
        if (WIFEXITED(status) && WEXITSTATUS(status) == exit_status(kind)) return kind;
    }
    return ErrorKind::Failed;
}

tl::unexpected<Error> ended(pid_t pid, const Ends& messages, std::string text) {
    while (messages.append_to(text)) {
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    while (text.ends_with('\n')) text.pop_back();
    if (text.empty()) {
        text = "the supervisor ended before it was ready (" +
               (WIFEXITED(status) ? "exit status " + std::to_string(WEXITSTATUS(status))
                                  : "signal " + std::to_string(WTERMSIG(status))) +
               ")";
    }
    if (text.starts_with("pmctld: ")) text.erase(0, 8);
    return fail(kind_of(status), text);
}

}  // namespace

Result<std::string> find_pmctld() {
    std::error_code error;
    const std::string self = std::filesystem::read_symlink("/proc/self/exe", error).string();
    if (!error) {
        const std::string folder = folder_of(self);
        for (const char* place : {"/pmctld", "/../sbin/pmctld", "/../supervisor/pmctld"}) {
            if (is_program(folder + place)) return folder + place;
        }
    }
    const char* path = std::getenv("PATH");
    std::string_view rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(':'), rest.size());
        std::string program = std::string(rest.substr(0, end)) + "/pmctld";
        if (end > 0 && is_program(program)) return program;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return fail("the supervisor's program 'pmctld' is neither beside pmctl nor in PATH");
}

Result<int> become_pmctld(Session& session, std::vector<std::string> words) {
    const auto program = find_pmctld();
    if (!program) return tl::unexpected(program.error());
    session.flush();
    std::signal(SIGPIPE, SIG_DFL);
    words.insert(words.begin(), *program);
    ::execv(program->c_str(), pointers(words).data());
    return fail("cannot start '" + *program + "': " + std::strerror(errno));
}

Result<pid_t> start_pmctld(std::vector<std::string> words, const std::string& runtime_dir) {
    const auto program = find_pmctld();
    if (!program) return tl::unexpected(program.error());
    if (auto folder = private_folder(runtime_dir); !folder) return tl::unexpected(folder.error());
    for (const char* word : {"--ready-fd", "3", "--log-file"}) words.emplace_back(word);
    words.push_back(runtime_dir + "/pmctld.log");
    Ends ready;
    Ends messages;
    if (!ready.open() || !messages.open()) return fail(std::string("pipe: ") + std::strerror(errno));
    const auto pid = spawn(*program, std::move(words), ready, messages);
    if (!pid) return tl::unexpected(pid.error());
    ready.close_write();
    messages.close_write();
    std::string said;
    std::string text;
    while (true) {
        std::array<pollfd, 2> both = {pollfd{ready.read, POLLIN, 0}, pollfd{messages.read, POLLIN, 0}};
        if (::poll(both.data(), both.size(), -1) < 0) continue;
        if (both[1].revents != 0 && !messages.append_to(text)) return ended(*pid, messages, text);
        if (both[0].revents == 0) continue;
        if (!ready.append_to(said)) return ended(*pid, messages, text);
        if (said.find('\n') != std::string::npos) return *pid;
    }
}

}  // namespace pmctl
