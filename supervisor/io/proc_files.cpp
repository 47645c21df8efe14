#include "supervisor/io/proc_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "supervisor/io/descriptor.hpp"

namespace pmctl {

namespace {

// Fields of proc_pid_stat(5), counted from 1 as there, behind the name: 3 is the first.
constexpr std::size_t first_field = 3;
constexpr std::size_t field_count = 52 - first_field + 1;

template <class T>
std::optional<T> number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

Duration to_duration(const timespec& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

Duration tick() {
    return Duration(std::chrono::seconds(1)) / ::sysconf(_SC_CLK_TCK);
}

}  // namespace

std::optional<std::string> try_read_proc(const std::string& path) {
    const auto is_lack = [] { return errno == EMFILE || errno == ENFILE || errno == ENOMEM; };
    std::string text;
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && is_lack()) return std::nullopt;
    if (!file) return text;
    std::array<char, 16384> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): read into
    ssize_t got = 0;
    while ((got = ::read(file.get(), buffer.data(), buffer.size())) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    if (got < 0 && is_lack()) return std::nullopt;
    return text;
}

std::string read_proc(const std::string& path) {
    return try_read_proc(path).value_or("");
}

std::optional<ProcStat> parse_proc_stat(std::string_view text) {
    // The name in parentheses may hold anything, parentheses too.
    const auto name_end = text.rfind(')');
    if (name_end == std::string_view::npos || name_end + 2 > text.size()) return std::nullopt;
    text.remove_prefix(name_end + 2);
    while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    std::array<std::string_view, field_count> fields;
    for (std::string_view& field : fields) {
        field = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(field.size() + 1, text.size()));
    }
    const auto at = [&](std::size_t field) { return fields.at(field - first_field); };
    const auto parent = number<pid_t>(at(4));
    const auto group = number<pid_t>(at(5));
    const auto session = number<pid_t>(at(6));
    const auto start = number<std::uint64_t>(at(22));
    if (at(3).size() != 1 || !parent || !group || !session || !start) return std::nullopt;
    return ProcStat{at(3)[0], *parent, *group, *session, *start, number<int>(at(52)).value_or(0)};
}

std::optional<ProcStat> read_proc_stat(pid_t pid) {
    return parse_proc_stat(read_proc(fmt::format("/proc/{}/stat", pid)));
}

std::string boot_id() {
    std::string id = read_proc("/proc/sys/kernel/random/boot_id");
    while (!id.empty() && id.back() == '\n') id.pop_back();
    return id;
}

std::uint64_t to_ticks(const timespec& since_boot) {
    return static_cast<std::uint64_t>(to_duration(since_boot) / tick());
}

Duration age_of(std::uint64_t start_ticks) {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::max(to_duration(now) - static_cast<std::int64_t>(start_ticks) * tick(), Duration::zero());
}

Result<std::vector<pid_t>> all_pids() {
    std::vector<pid_t> pids;
    DIR* const folder = ::opendir("/proc");
    if (folder == nullptr) return fail(fmt::format("'/proc': {}", std::strerror(errno)));
    while (const dirent* entry = ::readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): a stream of our own
        if (const auto pid = number<pid_t>(static_cast<const char*>(entry->d_name))) pids.push_back(*pid);
    }
    ::closedir(folder);
    return pids;
}

}  // namespace pmctl
