// Preloaded into pmctld (ld.so(8), LD_PRELOAD): system calls that fail when a test says so, and a clock that
// it sets. PMCTL_TEST_CALLS names the file that both map: see Table. Children inherit pmctld's environment,
// so both variables are taken out of it before main: nothing fails or is counted there.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

enum Call : std::size_t {
    Open,
    Write,
    Mkfifo,
    EpollCtl,
    EpollWait,
    Bind,
    Accept,
    Sync,
    Clone,
    Pipe,
    Timer,
    Tee,
    Splice,
    Socket,
    Pidfd,
    Rename,
    Memfd,
    Exec,
    CallCount
};

// As tests/system/failing_calls.py writes it: all numbers in the machine's order.
struct Slot {
    std::atomic<std::int32_t> error;  // errno; 0: it does not fail
    std::atomic<std::int32_t> every;  // each so manieth fails
    std::atomic<std::uint64_t> calls;
    std::atomic<std::uint64_t> failures;
};
struct Table {
    Slot slots[CallCount];
    std::atomic<std::int64_t> clock_offset;  // seconds, of CLOCK_REALTIME
    char prefix[256];                        // paths that fail; "": all
};

Table* map_table() {
    const char* path = std::getenv("PMCTL_TEST_CALLS");
    if (path == nullptr) return nullptr;
    const int fd = ::open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return nullptr;
    void* const memory = ::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    return memory == MAP_FAILED ? nullptr : static_cast<Table*>(memory);
}

template <class Function>
Function* next(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

Table* table = nullptr;
decltype(::syscall)* real_syscall = nullptr;
__attribute__((constructor)) void begin() {
    real_syscall = next<decltype(::syscall)>("syscall");
    table = map_table();
    ::unsetenv("PMCTL_TEST_CALLS");
    ::unsetenv("LD_PRELOAD");
}

#define NEXT(name) static auto* const real = next<decltype(::name)>(#name)

bool fits(const char* path) {
    return table->prefix[0] == '\0' ||
           (path != nullptr && std::strncmp(path, table->prefix, std::strlen(table->prefix)) == 0);
}

bool fits(int fd) {
    if (table->prefix[0] == '\0') return true;
    char link[64];
    char path[512];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = ::readlink(link, path, sizeof path - 1);
    if (size < 0) return false;
    path[size] = '\0';
    return fits(path);
}

// Counts it; errno is set where it is to fail.
template <class Where>
bool fails(Call call, Where where) {
    if (table == nullptr) return false;
    Slot& slot = table->slots[call];
    const std::uint64_t number = ++slot.calls;
    const int error = slot.error;
    if (error == 0 || slot.every <= 0 || number % static_cast<std::uint64_t>(slot.every) != 0) return false;
    if (!fits(where)) return false;
    ++slot.failures;
    errno = error;
    return true;
}
bool fails(Call call) {
    return fails(call, static_cast<const char*>(nullptr));
}

mode_t mode_of(int flags, va_list rest) {
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
    NEXT(open);
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return fails(Open, path) ? -1 : real(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
    NEXT(open64);
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return fails(Open, path) ? -1 : real(path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
    NEXT(openat);
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return fails(Open, path) ? -1 : real(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
    NEXT(openat64);
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return fails(Open, path) ? -1 : real(folder, path, flags, mode);
}
DIR* opendir(const char* path) {
    NEXT(opendir);
    return fails(Open, path) ? nullptr : real(path);
}
ssize_t write(int fd, const void* data, size_t size) {
    NEXT(write);
    return fails(Write, fd) ? -1 : real(fd, data, size);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
    NEXT(pwrite64);
    return fails(Write, fd) ? -1 : real(fd, data, size, at);
}
int mkfifo(const char* path, mode_t mode) noexcept {
    NEXT(mkfifo);
    return fails(Mkfifo, path) ? -1 : real(path, mode);
}
int epoll_ctl(int epoll, int what, int fd, epoll_event* event) noexcept {
    NEXT(epoll_ctl);
    return what == EPOLL_CTL_ADD && fails(EpollCtl) ? -1 : real(epoll, what, fd, event);
}
int epoll_wait(int epoll, epoll_event* events, int count, int wait) {
    NEXT(epoll_wait);
    if (table != nullptr) ++table->slots[EpollWait].calls;
    return real(epoll, events, count, wait);
}
int bind(int fd, const sockaddr* address, socklen_t size) noexcept {
    NEXT(bind);
    return fails(Bind) ? -1 : real(fd, address, size);
}
int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
    NEXT(accept4);
    return fails(Accept) ? -1 : real(fd, address, size, flags);
}
int fsync(int fd) {
    NEXT(fsync);
    return fails(Sync, fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
    NEXT(fdatasync);
    return fails(Sync, fd) ? -1 : real(fd);
}
int clone(int (*function)(void*), void* stack, int flags, void* argument, ...) noexcept {
    NEXT(clone);
    va_list rest;
    va_start(rest, argument);
    auto* const parent = va_arg(rest, pid_t*);
    auto* const local = va_arg(rest, void*);
    auto* const child = va_arg(rest, pid_t*);
    va_end(rest);
    return fails(Clone) ? -1 : real(function, stack, flags, argument, parent, local, child);
}
int pipe2(int* ends, int flags) noexcept {
    NEXT(pipe2);
    return fails(Pipe) ? -1 : real(ends, flags);
}
int timerfd_create(int clock, int flags) noexcept {
    NEXT(timerfd_create);
    return fails(Timer) ? -1 : real(clock, flags);
}
ssize_t tee(int from, int to, size_t size, unsigned flags) {
    NEXT(tee);
    return fails(Tee) ? -1 : real(from, to, size, flags);
}
ssize_t splice(int from, off64_t* from_at, int to, off64_t* to_at, size_t size, unsigned flags) {
    NEXT(splice);
    return fails(Splice) ? -1 : real(from, from_at, to, to_at, size, flags);
}
int socket(int domain, int type, int protocol) noexcept {
    NEXT(socket);
    return fails(Socket) ? -1 : real(domain, type, protocol);
}
int rename(const char* from, const char* to) noexcept {
    NEXT(rename);
    return fails(Rename, from) ? -1 : real(from, to);
}
int memfd_create(const char* name, unsigned flags) noexcept {
    NEXT(memfd_create);
    return fails(Memfd) ? -1 : real(name, flags);
}
// pmctld's own; children are begun by the system call itself.
int execv(const char* path, char* const* words) noexcept {
    NEXT(execv);
    return fails(Exec) ? -1 : real(path, words);
}
// Also called between clone(2) and execve(2), on a small stack and in the parent's memory: it is found
// before.
long syscall(long number, ...) noexcept {
    va_list rest;
    va_start(rest, number);
    long each[6];
    for (long& argument : each) argument = va_arg(rest, long);
    va_end(rest);
    if (real_syscall == nullptr) real_syscall = next<decltype(::syscall)>("syscall");
    if (number == SYS_pidfd_open && fails(Pidfd)) return -1;
    return real_syscall(number, each[0], each[1], each[2], each[3], each[4], each[5]);
}
int clock_gettime(clockid_t clock, timespec* now) noexcept {
    NEXT(clock_gettime);
    const int status = real(clock, now);
    if (status == 0 && clock == CLOCK_REALTIME && table != nullptr) now->tv_sec += table->clock_offset;
    return status;
}
}
