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

#include "tests/tools/json_text.hpp"

extern char** environ;

namespace pmctl {

namespace {

std::string limit(const char* name, __rlimit_resource resource) {
    rlimit found{};
    ::getrlimit(resource, &found);
    const auto text = [](rlim_t value) { return value == RLIM_INFINITY ? "-1" : std::to_string(value); };
    return json_text(name) + ":[" + text(found.rlim_cur) + "," + text(found.rlim_max) + "]";
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

std::string open_descriptors() {
    std::string list = "{";
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const auto target = std::filesystem::read_symlink(entry.path(), error);
        if (target.string().starts_with("/proc/")) continue;  // the one that reads this folder
        list += (list.size() > 1 ? "," : "") + json_text(entry.path().filename().string()) + ":" +
                json_text(target.string());
    }
    return list + "}";
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
    std::string arguments;
    for (int i = 0; i < argc; ++i) arguments += (i > 0 ? "," : "") + json_text(argv[i]);
    std::string env;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const auto equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        env += (env.empty() ? "" : ",") + json_text(text.substr(0, equals)) + ":" +
               json_text(text.substr(equals + 1));
    }
    std::array<gid_t, 256> groups{};
    const int count = std::max(::getgroups(static_cast<int>(groups.size()), groups.data()), 0);
    std::string group_list;
    for (int i = 0; i < count; ++i)
        group_list += (i > 0 ? "," : "") + std::to_string(groups.at(static_cast<std::size_t>(i)));
    const mode_t mask = ::umask(0);
    ::umask(mask);
    std::array<char, 8> mask_text{};
    std::snprintf(mask_text.data(), mask_text.size(), "%04o", static_cast<unsigned>(mask));
    std::string oom;
    std::getline(std::ifstream("/proc/self/oom_score_adj"), oom);
    const auto number = [](const char* name, long value) {
        return json_text(name) + ":" + std::to_string(value) + ",";
    };
    std::error_code error;
    return "{" + number("pid", ::getpid()) + number("ppid", ::getppid()) + number("pgid", ::getpgrp()) +
           number("sid", ::getsid(0)) + number("uid", ::getuid()) + number("euid", ::geteuid()) +
           number("gid", ::getgid()) + number("egid", ::getegid()) + "\"groups\":[" + group_list +
           "],\"cwd\":" + json_text(std::filesystem::current_path(error).string()) +
           ",\"umask\":" + json_text(mask_text.data()) + ",\"argv\":[" + arguments + "],\"env\":{" + env +
           "},\"limits\":{" + limit("nofile", RLIMIT_NOFILE) + "," + limit("core", RLIMIT_CORE) + "," +
           limit("nproc", RLIMIT_NPROC) + "},\"sig_blocked\":" + json_text(status_field("SigBlk")) +
           ",\"sig_ignored\":" + json_text(status_field("SigIgn")) +
           ",\"oom_score_adj\":" + (oom.empty() ? "0" : oom) + ",\"fds\":" + open_descriptors() + "}\n";
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
