#include "tests/bench/daemon.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "supervisor/io/loop.hpp"

namespace pmctl::bench {

namespace {

constexpr Duration patience = std::chrono::seconds(60);
constexpr int ready_fd = 3;

int must(int value, const char* what) {
    if (value < 0) throw std::system_error(errno, std::system_category(), what);
    return value;
}

template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

class Actions {
  public:
    Actions() { ::posix_spawn_file_actions_init(&actions_); }
    ~Actions() { ::posix_spawn_file_actions_destroy(&actions_); }
    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;
    void open(int fd, const std::string& path) {
        ::posix_spawn_file_actions_addopen(&actions_, fd, path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    }
    void dup(int from, int to) { ::posix_spawn_file_actions_adddup2(&actions_, from, to); }
    const posix_spawn_file_actions_t* get() const { return &actions_; }

  private:
    posix_spawn_file_actions_t actions_{};
};

pid_t start(const std::vector<std::string>& argv, const Actions& actions) {
    std::vector<char*> pointers;
    pointers.reserve(argv.size() + 1);
    for (const std::string& word : argv) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, pointers[0], actions.get(), nullptr, pointers.data(), environ);
    if (error != 0) throw std::system_error(error, std::system_category(), argv[0]);
    return pid;
}

std::string file_text(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The number behind "Key:".
std::uint64_t number_after(const std::string& text, const std::string& key) {
    const std::size_t at = text.find(key);
    if (at == std::string::npos) throw std::runtime_error("no '" + key + "' in /proc");
    return std::strtoull(text.c_str() + at + key.size(), nullptr, 10);
}

std::string new_folder(const std::filesystem::path& parent) {
    std::string path = (parent / "pmctl-bench-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) must(-1, "mkdtemp");
    return path;
}

std::vector<std::filesystem::path> threads_of(pid_t pid) {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task"))
        found.push_back(entry.path());
    return found;
}

}  // namespace

Duration run_program(const std::vector<std::string>& argv, int expected) {
    Actions actions;
    actions.open(STDOUT_FILENO, "/dev/null");
    actions.open(STDERR_FILENO, "/dev/null");
    const TimePoint begin = Loop::now().steady;
    const pid_t pid = start(argv, actions);
    int status = 0;
    must(::waitpid(pid, &status, 0), "waitpid");
    const Duration taken = Loop::now().steady - begin;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
        throw std::runtime_error("'" + argv[0] + " " + argv.back() + "' ended with status " +
                                 std::to_string(status));
    return taken;
}

Daemon::Daemon(const Programs& programs, const std::string& instances) : programs_(programs) {
    folder_ = new_folder(std::filesystem::temp_directory_path());
    run_folder_ = new_folder("/dev/shm");
    const std::string config = folder_ + "/pmctl.toml";
    std::ofstream(config) << "[supervisor]\nruntime_dir = \"" << run_folder_ << "\"\nstate_dir = \""
                          << folder_ << "/state\"\n"
                          << instances;
    std::array<int, 2> ready{};
    must(::pipe2(ready.data(), O_CLOEXEC), "pipe2");
    Actions actions;
    actions.open(STDOUT_FILENO, folder_ + "/output");
    actions.open(STDERR_FILENO, folder_ + "/output");
    // dup2 of a descriptor to itself would leave it close-on-exec.
    const int spare = must(::fcntl(ready[1], F_DUPFD_CLOEXEC, ready_fd + 1), "fcntl");
    actions.dup(spare, ready_fd);
    started_at_ = Loop::now().steady;
    pid_ = start({programs.pmctld, "--config", config, "--ready-fd", std::to_string(ready_fd)}, actions);
    ::close(spare);
    ::close(ready[1]);
    std::array<char, 16> text{};
    const ssize_t got = ::read(ready[0], text.data(), text.size());
    ::close(ready[0]);
    if (got <= 0) throw std::runtime_error("pmctld did not start:\n" + file_text(folder_ + "/output"));
    client_ = std::make_unique<Client>(must(Client::connect(socket())));
}

Daemon::~Daemon() {
    client_.reset();
    if (pid_ > 0) {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
    std::filesystem::remove_all(run_folder_, ignored);
}

std::string Daemon::socket() const {
    return run_folder_ + "/pmctld.sock";
}

std::vector<StatusRow> Daemon::rows_when_all(const std::string& state) {
    const TimePoint end = Loop::now().steady + patience;
    while (Loop::now().steady < end) {
        auto reply =
            must(client_->ask_for<StatusReply>(StatusRequest{.targets = {.names = {}, .all = true}}));
        const auto is_there = [&](const StatusRow& row) { return row.state == state; };
        if (std::all_of(reply.rows.begin(), reply.rows.end(), is_there)) return std::move(reply.rows);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    throw std::runtime_error("not all instances became " + state);
}

Duration Daemon::pmctl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {programs_.pmctl, "--socket", socket()});
    return run_program(arguments);
}

Duration Daemon::terminate() {
    client_.reset();
    const TimePoint begin = Loop::now().steady;
    must(::kill(pid_, SIGTERM), "kill");
    must(::waitpid(pid_, nullptr, 0), "waitpid");
    pid_ = -1;
    return Loop::now().steady - begin;
}

std::map<std::string, std::uint64_t> Daemon::wake_ups() const {
    std::map<std::string, std::uint64_t> found;
    for (const auto& thread : threads_of(pid_)) {
        const std::string text = file_text(thread / "status");
        const auto name = text.find('\t') + 1;  // behind "Name:"
        found[text.substr(name, text.find('\n') - name) + " " + thread.filename().string()] =
            number_after(text, "\nvoluntary_ctxt_switches:") +
            number_after(text, "\nnonvoluntary_ctxt_switches:");
    }
    return found;
}

// Time on a processor, in nanoseconds, comes first in schedstat (Linux, Documentation/scheduler/sched-stats).
Duration Daemon::cpu() const {
    Duration sum{};
    for (const auto& thread : threads_of(pid_))
        sum += Duration(std::strtoll(file_text(thread / "schedstat").c_str(), nullptr, 10));
    return sum;
}

std::uint64_t Daemon::pss() const {
    return number_after(file_text("/proc/" + std::to_string(pid_) + "/smaps_rollup"), "\nPss:") * 1024;
}

}  // namespace pmctl::bench
