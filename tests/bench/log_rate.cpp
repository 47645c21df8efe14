#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "supervisor/io/loop.hpp"
#include "tests/bench/fleet.hpp"

namespace pmctl::bench {

namespace {

constexpr std::size_t write_size = std::size_t{64} << 10;
constexpr std::size_t line_size = 100;
constexpr std::size_t megabyte = 1'000'000;

int must(int value, const char* what) {
    if (value < 0) throw std::system_error(errno, std::system_category(), what);
    return value;
}

// Numbered nowhere: it is the path that is measured, its tests are elsewhere.
void write_all(int fd, std::size_t bytes) {
    std::string block;
    while (block.size() < write_size) block += std::string(line_size - 1, 'x') + '\n';
    block.resize(write_size);
    for (std::size_t done = 0; done < bytes;) {
        const ssize_t count = ::write(fd, block.data(), std::min(block.size(), bytes - done));
        if (count < 0 && errno == EINTR) continue;
        done += static_cast<std::size_t>(must(static_cast<int>(count), "write"));
    }
}

// A child writes into a pipe, this process copies it to a file by read and write: MB/s.
double bare_copy(const std::string& file, std::size_t bytes) {
    std::array<int, 2> pipe{};
    must(::pipe2(pipe.data(), O_CLOEXEC), "pipe2");
    const pid_t child = must(::fork(), "fork");
    if (child == 0) {
        write_all(pipe[1], bytes);
        ::_exit(0);
    }
    ::close(pipe[1]);
    const int to = must(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), "open");
    std::vector<char> buffer(write_size);
    const TimePoint begin = Loop::now().steady;
    for (ssize_t got = 0; (got = ::read(pipe[0], buffer.data(), buffer.size())) > 0;)
        must(static_cast<int>(::write(to, buffer.data(), static_cast<std::size_t>(got))), "write");
    const Duration taken = Loop::now().steady - begin;
    ::close(to);
    ::close(pipe[0]);
    ::waitpid(child, nullptr, 0);
    ::unlink(file.c_str());
    return static_cast<double>(bytes) / megabyte / std::chrono::duration<double>(taken).count();
}

}  // namespace

int write_lines(std::size_t megabytes, const char* report) {
    const TimePoint begin = Loop::now().steady;
    write_all(STDOUT_FILENO, megabytes * megabyte);
    const Duration taken = Loop::now().steady - begin;
    // Renamed into place: who sees it sees it whole.
    const std::string part = std::string(report) + ".part";
    std::ofstream(part) << taken.count();
    std::filesystem::rename(part, report);
    ::pause();
    return 0;
}

std::vector<Figure> measure_logs(const Programs& programs, std::size_t megabytes) {
    // The instance starts by order: what the supervisor's own start costs is not the log's.
    const std::string report =
        (std::filesystem::temp_directory_path() / fmt::format("pmctl-bench-{}", ::getpid())).string();
    Daemon daemon(programs, fmt::format("[instances.noise]\ncommand = [\"{}\", \"--write-lines\", \"{}\", "
                                        "\"{}\"]\nport = \"none\"\nautostart = false\n"
                                        "[instances.noise.health]\nkind = \"none\"\n",
                                        programs.self, megabytes, report));
    const double bare = bare_copy(daemon.folder() + "/bare", megabytes * megabyte);
    const Duration cpu_before = daemon.cpu();
    const auto started = daemon.client().ask(StartRequest{.targets = {.names = {"noise"}, .all = false}});
    if (!started) throw std::runtime_error(started.error().message);
    const TimePoint end = Loop::now().steady + std::chrono::seconds(60);
    while (!std::filesystem::exists(report)) {
        if (Loop::now().steady > end) throw std::runtime_error("the log did not take all lines in a minute");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const Duration cpu = daemon.cpu() - cpu_before;
    std::int64_t nanoseconds = 0;
    std::ifstream(report) >> nanoseconds;
    std::filesystem::remove(report);
    const auto written = static_cast<double>(megabytes);
    const double seconds = std::chrono::duration<double>(Duration(nanoseconds)).count();
    return {{"logs, 100-byte lines by 64 KiB writes", written / seconds, "MB/s", at_least(300),
             fmt::format("{} MB in {:.2f} s, through rotations; bare pipe to file {:.0f} MB/s", megabytes,
                         seconds, bare)},
            {"logs, CPU of pmctld", std::chrono::duration<double>(cpu).count() * 1000 / written, "s/GB",
             at_most(3), "user and system, all threads"}};
}

}  // namespace pmctl::bench
