#include "supervisor/io/tagged.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <utility>

#include "supervisor/io/pidfd.hpp"

namespace pmctl {

namespace {

constexpr int pause_ms = 1;
constexpr int looks = 3;            // at processes that are mostly silent for good
constexpr int looks_at_young = 50;  // a busy machine may stop one between two steps of its exec
constexpr Duration youth = std::chrono::seconds(2);
constexpr pid_t kernel_threads = 2;  // the parent of them all, kthreadd

std::string environ_of(pid_t pid) {
    return read_proc(fmt::format("/proc/{}/environ", pid));
}

enum class Silence { None, Old, Young };

Silence silence_of(pid_t pid) {
    if (!environ_of(pid).empty()) return Silence::None;
    const auto stat = read_proc_stat(pid);
    if (!stat || stat->state == 'Z' || stat->parent == kernel_threads || pid == kernel_threads)
        return Silence::None;
    return age_of(stat->start_ticks) < youth ? Silence::Young : Silence::Old;
}

std::optional<Tagged> look_at(pid_t pid, const std::string& scope) {
    if (!tag_of(pid, scope)) return std::nullopt;
    // The number may have been given to another one in between.
    Descriptor pidfd = open_pidfd(pid);
    if (!pidfd) return std::nullopt;
    const auto stat = read_proc_stat(pid);
    auto tag = patient_tag_of(pid, scope);
    if (!stat || !tag) return std::nullopt;
    return Tagged{pid, std::move(pidfd), *stat, std::move(*tag)};
}

}  // namespace

std::optional<RunTag> tag_of(pid_t pid, const std::string& scope) {
    return read_run_tag(scope, environ_of(pid));
}

std::optional<RunTag> patient_tag_of(pid_t pid, const std::string& scope) {
    for (int look = 1;; ++look) {
        if (auto tag = tag_of(pid, scope)) return tag;
        const Silence silence = silence_of(pid);
        if (silence == Silence::None) return tag_of(pid, scope);  // it may have begun to speak just now
        if (look >= (silence == Silence::Young ? looks_at_young : looks)) return std::nullopt;
        ::poll(nullptr, 0, pause_ms);
    }
}

TaggedSearch find_tagged(const std::vector<pid_t>& pids, const std::unordered_set<pid_t>& known,
                         const std::string& scope) {
    TaggedSearch search;
    const pid_t self = ::getpid();
    for (const pid_t pid : pids) {
        if (pid == self || known.contains(pid)) continue;
        const Silence silence = silence_of(pid);
        if (silence != Silence::None) {
            search.silent.push_back(pid);
            search.has_young = search.has_young || silence == Silence::Young;
        } else if (auto seen = look_at(pid, scope)) {
            search.found.push_back(std::move(*seen));
        }
    }
    return search;
}

std::vector<Tagged> find_all_tagged(const std::vector<pid_t>& pids, const std::unordered_set<pid_t>& known,
                                    const std::string& scope) {
    TaggedSearch all = find_tagged(pids, known, scope);
    for (int look = 1; !all.silent.empty() && look < (all.has_young ? looks_at_young : looks); ++look) {
        ::poll(nullptr, 0, pause_ms);
        TaggedSearch again = find_tagged(all.silent, known, scope);
        for (Tagged& each : again.found) all.found.push_back(std::move(each));
        all.silent = std::move(again.silent);
        all.has_young = again.has_young;
    }
    return std::move(all.found);
}

}  // namespace pmctl
