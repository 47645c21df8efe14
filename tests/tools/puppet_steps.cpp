#include "tests/tools/puppet_steps.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "shared/json_text.hpp"

namespace pmctl {

namespace {

void write_limit(JsonWriter& json, const char* name, __rlimit_resource resource) {
    rlimit found{};
    ::getrlimit(resource, &found);
    json.key(name);
    json.begin_array();
    for (const rlim_t value : {found.rlim_cur, found.rlim_max})
        json.number(value == RLIM_INFINITY ? std::int64_t{-1} : static_cast<std::int64_t>(value));
    json.end_array();
}

// "SigBlk" and the like of proc(5), as hexadecimal.
std::string status_field(std::string_view name) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (!line.starts_with(name) || line[name.size()] != ':') continue;
        return line.substr(line.find_first_not_of(" \t", name.size() + 1));
    }
    return "";
}

void write_descriptors(JsonWriter& json) {
    json.begin_object();
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const auto target = std::filesystem::read_symlink(entry.path(), error);
        if (target.string().starts_with("/proc/")) continue;  // the one that reads this folder
        json.key(entry.path().filename().string());
        json.string(target.string());
    }
    json.end_object();
}

void write_environment(JsonWriter& json) {
    json.begin_object();
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const auto equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        json.key(text.substr(0, equals));
        json.string(text.substr(equals + 1));
    }
    json.end_object();
}

void write_groups(JsonWriter& json) {
    std::array<gid_t, 256> groups{};
    const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
    json.begin_array();
    for (int i = 0; i < count; ++i) json.number(std::int64_t{groups.at(static_cast<std::size_t>(i))});
    json.end_array();
}

std::string own_umask() {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mask));
    return text.data();
}

// As after exec: a child waits like any other program, not like the puppet.
void wait_for_death(bool ignores_term) {
    sigset_t none;
    sigemptyset(&none);
    ::signal(SIGTERM, ignores_term ? SIG_IGN : SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (;;) ::pause();
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno != EINTR) return false;
        if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

}  // namespace

std::string describe_process(int argc, char** argv) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    const std::array<std::pair<const char*, std::int64_t>, 8> numbers = {{{"pid", ::getpid()},
                                                                          {"ppid", ::getppid()},
                                                                          {"pgid", ::getpgrp()},
                                                                          {"sid", ::getsid(0)},
                                                                          {"uid", ::getuid()},
                                                                          {"euid", ::geteuid()},
                                                                          {"gid", ::getgid()},
                                                                          {"egid", ::getegid()}}};
    for (const auto& [name, value] : numbers) {
        json.key(name);
        json.number(value);
    }
    json.key("groups");
    write_groups(json);
    std::error_code error;
    json.key("cwd");
    json.string(std::filesystem::current_path(error).string());
    json.key("umask");
    json.string(own_umask());
    json.key("argv");
    json.begin_array();
    for (int i = 0; i < argc; ++i) json.string(argv[i]);
    json.end_array();
    json.key("env");
    write_environment(json);
    json.key("limits");
    json.begin_object();
    write_limit(json, "nofile", RLIMIT_NOFILE);
    write_limit(json, "core", RLIMIT_CORE);
    write_limit(json, "nproc", RLIMIT_NPROC);
    json.end_object();
    json.key("sig_blocked");
    json.string(status_field("SigBlk"));
    json.key("sig_ignored");
    json.string(status_field("SigIgn"));
    std::int64_t oom_score = 0;
    std::ifstream("/proc/self/oom_score_adj") >> oom_score;
    json.key("oom_score_adj");
    json.number(oom_score);
    json.key("fds");
    write_descriptors(json);
    json.end_object();
    return text + "\n";
}

Report::Report(const std::string& path) {
    if (path.empty()) return;
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd_ < 0) {
        std::fprintf(stderr, "puppet: '%s': %s\n", path.c_str(), std::strerror(errno));
        std::exit(2);
    }
}

void Report::say(const std::string& line) const {
    if (fd_ >= 0) write_all(fd_, line + "\n");
}

bool write_whole(const std::string& path, const std::string& text) {
    const std::string draft = path + ".draft";
    {
        std::ofstream file(draft);
        file << text;
        if (!file.flush()) return false;
    }
    return std::rename(draft.c_str(), path.c_str()) == 0;
}

void write_lines(int fd, std::uint64_t count) {
    std::string block;
    for (std::uint64_t n = 1; n <= count; ++n) {
        block += "line " + std::to_string(n) + "\n";
        if (block.size() < 65536 && n != count) continue;
        if (!write_all(fd, block)) return;
        block.clear();
    }
}

void write_long_line(int fd, std::uint64_t bytes) {
    const std::string block(65536, 'x');
    while (bytes > 0) {
        const std::size_t part = std::min<std::uint64_t>(bytes, block.size());
        if (!write_all(fd, std::string_view(block).substr(0, part))) return;
        bytes -= part;
    }
}

int start_child(bool ignores_term) {
    const pid_t pid = ::fork();
    if (pid == 0) wait_for_death(ignores_term);
    return pid;
}

void start_daemon(bool ignores_term, const Report& report) {
    const pid_t middle = ::fork();
    if (middle == 0) {
        ::setsid();
        if (::fork() != 0) ::_exit(0);
        report.say("daemon " + std::to_string(::getpid()));
        wait_for_death(ignores_term);
    }
    ::waitpid(middle, nullptr, 0);
}

int fill_descriptors() {
    int count = 0;
    while (::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) ++count;
    return count;
}

int signal_number(const std::string& name) {
    const std::string bare = name.starts_with("SIG") ? name.substr(3) : name;
    for (int number = 1; number < NSIG; ++number) {
        const char* known = ::sigabbrev_np(number);
        if ((known != nullptr && bare == known) || bare == std::to_string(number)) return number;
    }
    return 0;
}

}  // namespace pmctl
