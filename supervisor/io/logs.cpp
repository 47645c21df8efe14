#include "supervisor/io/logs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

#include "supervisor/io/log_seam.hpp"

namespace pmctl {

namespace {

// While a disk takes nothing: the next try, twice as late each time.
constexpr Duration first_retry = std::chrono::milliseconds(100);
constexpr Duration longest_retry = std::chrono::seconds(5);
// A run that has ended left at most what its FIFOs hold: 64 KiB each, 1 MiB where the
// program enlarged them (pipe(7)).
constexpr std::size_t drain_share = std::size_t{1} << 20;
// Two batches of lines, and the line that the first begins in.
constexpr std::size_t seam_size = 3 * LogScratch::batch_size;
constexpr std::size_t shared_from = 64;  // names that are closed together, by two threads

Result<void> make_folder(const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return fail("mkdir '" + folder + "': " + error.message());
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
    return {};
}

// Those of names that had no run in this supervisor's life, and the folder. There is nobody left to be told
// of what fails.
void remove_fifos(const char* folder) {
    DIR* const all = ::opendir(folder);
    if (all == nullptr) return;
    while (const dirent* each = ::readdir(all)) {  // NOLINT(concurrency-mt-unsafe): a stream of our own
        const auto* const name = static_cast<const char*>(each->d_name);
        struct stat status{};
        bool is_fifo = each->d_type == DT_FIFO;
        if (each->d_type == DT_UNKNOWN)  // some file systems do not say, readdir(3)
            is_fifo =
                ::fstatat(::dirfd(all), name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISFIFO(status.st_mode);
        if (is_fifo) ::unlinkat(::dirfd(all), name, 0);
    }
    ::closedir(all);
    ::rmdir(folder);
}

}  // namespace

struct Logs::Entry {
    Entry(Logs& owner, std::string log_name, LogPipe out_pipe, LogPipe err_pipe, const LogSettings& settings)
        : logs(owner),
          name(std::move(log_name)),
          out(std::move(out_pipe)),
          err(std::move(err_pipe)),
          file(owner.folder_of(name), settings) {}

    Logs& logs;
    std::string name;
    LogPipe out;
    LogPipe err;
    LogFile file;
    bool blocked = false;
};

Logs::Logs(Loop& loop, std::string fifo_folder, std::string log_folder, Hooks hooks)
    : loop_(loop),
      fifo_folder_(std::move(fifo_folder)),
      log_folder_(std::move(log_folder)),
      hooks_(std::move(hooks)),
      retry_(loop, [this] { retry(); }) {}

Result<std::unique_ptr<Logs>> Logs::make(Loop& loop, std::string fifo_folder, std::string log_folder,
                                         Hooks hooks) {
    for (const std::string& folder : {fifo_folder, log_folder}) {
        if (auto made = make_folder(folder); !made) return tl::unexpected(made.error());
    }
    auto scratch = LogScratch::make();
    if (!scratch) return tl::unexpected(scratch.error());
    std::unique_ptr<Logs> logs(
        new Logs(loop, std::move(fifo_folder), std::move(log_folder), std::move(hooks)));
    logs->scratch_ = std::move(*scratch);
    return logs;
}

Logs::~Logs() {
    for (auto& [name, entry] : entries_) {
        loop_.unwatch(entry->out.fd());
        loop_.unwatch(entry->err.fd());
    }
}

Result<void> Logs::watch(Entry& entry) {
    Entry* at = &entry;
    auto out =
        loop_.watch(entry.out.fd(), EPOLLIN, [at](std::uint32_t) { at->logs.pump(*at, at->out, share); });
    if (!out) return out;
    auto err =
        loop_.watch(entry.err.fd(), EPOLLIN, [at](std::uint32_t) { at->logs.pump(*at, at->err, share); });
    if (!err) loop_.unwatch(entry.out.fd());
    return err;
}

// Before anything is written: the end of the log must still be what the earlier supervisor left.
Result<void> Logs::mend_seam(Entry& entry) {
    std::string end;
    for (LogPipe* pipe : {&entry.out, &entry.err}) {
        if (pipe->is_new()) continue;
        const auto waiting = pipe->look(*scratch_);
        if (!waiting) return tl::unexpected(waiting.error());
        if (waiting->empty()) continue;
        if (end.empty()) {
            auto there = end_of_log(entry.file.folder(), seam_size);
            if (!there) return tl::unexpected(there.error());
            end = std::move(*there);
        }
        const LogSeam seam = find_seam(end, *waiting, pipe->stream());
        // The log first: a kill between the two doubles a line, the other order would lose it.
        if (seam.torn > 0) {
            if (auto cut = entry.file.cut(seam.torn); !cut) return cut;
            end.resize(end.size() - seam.torn);
        }
        if (auto dropped = pipe->drop(*scratch_, seam.repeated); !dropped) return dropped;
    }
    return {};
}

Result<Logs::Entry*> Logs::entry_for(const std::string& log_name, const LogSettings& settings, pid_t writer) {
    if (const auto known = entries_.find(log_name); known != entries_.end()) return known->second.get();
    const auto open = [&](const char* suffix, LogStream stream) {
        std::string path = fifo_folder_ + "/" + log_name + suffix;
        return writer == 0 ? LogPipe::open(std::move(path), stream)
                           : LogPipe::open_of(std::move(path), stream, writer);
    };
    auto out = open(".out", LogStream::Out);
    if (!out) return tl::unexpected(out.error());
    auto err = open(".err", LogStream::Err);
    if (!err) return tl::unexpected(err.error());
    auto entry = std::make_unique<Entry>(*this, log_name, std::move(*out), std::move(*err), settings);
    if (auto mended = mend_seam(*entry); !mended) return tl::unexpected(mended.error());
    if (auto watched = watch(*entry); !watched) return tl::unexpected(watched.error());
    return (entries_[log_name] = std::move(entry)).get();
}

Result<Logs::ChildEnds> Logs::open_for(const std::string& log_name, const LogSettings& settings) {
    auto entry = entry_for(log_name, settings, 0);
    if (!entry) return tl::unexpected(entry.error());
    const auto out = (*entry)->out.child_end();
    if (!out) return tl::unexpected(out.error());
    const auto err = (*entry)->err.child_end();
    if (!err) return tl::unexpected(err.error());
    return ChildEnds{*out, *err};
}

Result<void> Logs::adopt(const std::string& log_name, const LogSettings& settings, pid_t writer) {
    auto entry = entry_for(log_name, settings, writer);
    if (!entry) return tl::unexpected(entry.error());
    return {};
}

void Logs::set(const std::string& log_name, const LogSettings& settings) {
    if (const auto known = entries_.find(log_name); known != entries_.end())
        known->second->file.set(settings);
}

void Logs::drain(const std::string& log_name) {
    if (const auto known = entries_.find(log_name); known != entries_.end()) drain(*known->second);
}

void Logs::drain(Entry& entry) {
    if (entry.blocked) {
        // The disk may have room again since the last try; else all stays where it is.
        if (pump_once(entry, entry.out, drain_share)) (void)pump_once(entry, entry.err, drain_share);
        return;
    }
    pump(entry, entry.out, drain_share);
    if (!entry.blocked) pump(entry, entry.err, drain_share);
}

void Logs::close(const std::string& log_name) {
    drain(log_name);
    const auto known = entries_.find(log_name);
    if (known == entries_.end()) return;
    Entry& entry = *known->second;
    loop_.unwatch(entry.out.fd());
    loop_.unwatch(entry.err.fd());
    entry.out.remove();
    entry.err.remove();
    std::erase(blocked_, &entry);
    entries_.erase(known);
}

// One call looks at all FIFOs, of which a thousand names have two thousand.
void Logs::drain_all() {
    std::vector<pollfd> ends;  // two an entry, in the entries' order
    for (const auto& [name, entry] : entries_) {
        for (const int fd : {entry->out.fd(), entry->err.fd()}) ends.push_back({fd, POLLIN, 0});
    }
    const bool looked = ::poll(ends.data(), ends.size(), 0) >= 0;
    std::size_t place = 0;
    for (const auto& [name, entry] : entries_) {
        if (!looked || ends[place].revents != 0 || ends[place + 1].revents != 0) drain(*entry);
        place += 2;
    }
}

// Of a thousand names this would be a fifth of a stop: so two threads share it. Of few a thread costs more
// than it spares.
void Logs::close_all() {
    std::vector<std::unique_ptr<Entry>> all;
    for (auto& [name, entry] : entries_) {
        loop_.forget(entry->out.fd());
        loop_.forget(entry->err.fd());
        all.push_back(std::move(entry));
    }
    blocked_.clear();
    entries_.clear();
    const auto close_some = [](std::span<std::unique_ptr<Entry>> some) {
        for (std::unique_ptr<Entry>& entry : some) {
            entry->out.remove();
            entry->err.remove();
            entry.reset();
        }
    };
    const std::span<std::unique_ptr<Entry>> both(all);
    const std::size_t own = all.size() < shared_from ? all.size() : all.size() / 2;
    std::thread other;
    try {
        if (own < all.size()) other = std::thread(close_some, both.subspan(own));
    } catch (const std::system_error&) {
        close_some(both.subspan(own));
    }
    close_some(both.first(own));
    if (other.joinable()) other.join();
    remove_fifos(fifo_folder_.c_str());
}

std::vector<int> Logs::descriptors() const {
    std::vector<int> found;
    for (const auto& [name, entry] : entries_) {
        found.push_back(entry->out.fd());
        found.push_back(entry->err.fd());
    }
    return found;
}

std::optional<std::uint64_t> Logs::end_of(const std::string& log_name) const {
    const auto known = entries_.find(log_name);
    if (known == entries_.end() || known->second->file.end() == 0) return std::nullopt;
    return known->second->file.end();
}

void Logs::pump(Entry& entry, LogPipe& pipe, std::size_t budget) {
    if (const auto pumped = pump_once(entry, pipe, budget); !pumped) failed(entry, pumped.error().message);
}

Result<void> Logs::pump_once(Entry& entry, LogPipe& pipe, std::size_t budget) {
    auto [size, outcome] = pipe.pump(entry.file, *scratch_, budget, Loop::now().wall);
    bytes_ += size;
    if (size > 0) tell_written();
    return outcome;
}

// Nothing was lost: it waits in the FIFO, and the program that writes waits with it.
void Logs::failed(Entry& entry, const std::string& reason) {
    if (entry.blocked) return;
    entry.blocked = true;
    for (const int fd : {entry.out.fd(), entry.err.fd()}) {
        // Without events there would still be EPOLLHUP; there is none, since we hold the FIFO ourselves.
        (void)loop_.rewatch(fd, 0);
    }
    blocked_.push_back(&entry);
    hooks_.trouble(entry.name, reason + "; its output waits until that works again");
    if (blocked_.size() == 1) {
        retry_delay_ = first_retry;
        retry_.set(Loop::now().steady + retry_delay_);
    }
}

void Logs::retry() {
    const std::vector<Entry*> waiting = std::exchange(blocked_, {});
    for (Entry* entry : waiting) {
        if (!pump_once(*entry, entry->out, share) || !pump_once(*entry, entry->err, share)) {
            blocked_.push_back(entry);
            continue;
        }
        entry->blocked = false;
        // The descriptors are watched still, without events: that they are again cannot fail.
        for (const int fd : {entry->out.fd(), entry->err.fd()}) (void)loop_.rewatch(fd, EPOLLIN);
        hooks_.trouble(entry->name, "its log can be written again");
    }
    if (blocked_.empty()) return;
    retry_delay_ = std::min(retry_delay_ * 2, longest_retry);
    retry_.set(Loop::now().steady + retry_delay_);
}

void Logs::tell_written() {
    if (std::exchange(*written_, true)) return;
    loop_.later([this, still_there = std::weak_ptr<bool>(written_)] {
        const auto written = still_there.lock();
        if (!written) return;
        *written = false;
        hooks_.written();
    });
}

}  // namespace pmctl
