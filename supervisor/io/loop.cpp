#include "supervisor/io/loop.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>
#include <vector>

namespace pmctl {

namespace asio = boost::asio;

namespace {

constexpr int batch = 256;  // events taken from the kernel at once

// What epoll hands back: the descriptor, and the number of its watch, since a descriptor that was closed and
// opened again within one batch must not get its predecessor's event.
std::uint64_t tag(int fd, std::uint32_t number) {
    return (std::uint64_t{number} << 32) | static_cast<std::uint32_t>(fd);
}

}  // namespace

struct Loop::Inner {
    struct Watch {
        std::uint32_t number = 0;  // 0: nothing is watched
        Ready ready;
    };

    explicit Inner(std::function<void(const std::string&)> bug)
        : on_bug(std::move(bug)),
          epoll(::epoll_create1(EPOLL_CLOEXEC)),
          timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
          outer(context) {
        if (epoll < 0 || timer < 0)
            throw std::system_error(errno, std::system_category(), "epoll or timerfd");
        outer.assign(epoll);
    }
    ~Inner() { ::close(timer); }  // `outer` owns the epoll

    template <class F>
    void guarded(F&& call) {
        try {
            std::forward<F>(call)();
        } catch (const std::exception& bug) {
            on_bug(bug.what());
        }
    }

    bool drop(int fd);  // true: it was watched

    void arm() {
        outer.async_wait(asio::posix::stream_descriptor::wait_read,
                         [this](const boost::system::error_code& error) {
                             if (error) return;
                             turn();
                             arm();
                         });
    }

    void turn() {
        std::array<epoll_event, batch> events{};
        const int count = ::epoll_wait(epoll, events.data(), batch, 0);
        for (int i = 0; i < count; ++i) {
            const auto fd = static_cast<std::uint32_t>(events[i].data.u64);
            const auto number = static_cast<std::uint32_t>(events[i].data.u64 >> 32);
            if (fd >= watches.size() || watches[fd].number != number) continue;
            // A copy: the callback may unwatch itself, or make the table grow.
            const Ready ready = watches[fd].ready;
            guarded([&] { ready(events[i].events); });
        }
        run_later();
    }

    void run_later() {
        // What these ask for in turn is run too: the turn is over when nothing is left.
        while (!pending.empty()) {
            std::vector<Callback> now;
            now.swap(pending);
            for (const Callback& callback : now) guarded(callback);
        }
    }

    asio::io_context context{1};
    std::function<void(const std::string&)> on_bug;
    int epoll;
    int timer;
    asio::posix::stream_descriptor outer;
    std::vector<Watch> watches;  // by descriptor
    std::uint32_t last_number = 0;
    std::vector<Callback> pending;
    bool pending_posted = false;
    Callback wake;
    TimePoint wake_time = TimePoint::max();
};

Loop::Loop(std::function<void(const std::string&)> on_bug)
    : inner_(std::make_unique<Inner>(std::move(on_bug))) {
    auto* inner = inner_.get();
    const auto armed = watch(inner->timer, EPOLLIN, [inner](std::uint32_t) {
        std::uint64_t count = 0;
        if (::read(inner->timer, &count, sizeof count) < 0) return;  // set anew meanwhile
        inner->wake_time = TimePoint::max();
        if (inner->wake) inner->wake();
    });
    if (!armed) throw std::system_error(errno, std::system_category(), "epoll_ctl");
    inner->arm();
}

Loop::~Loop() = default;

asio::io_context& Loop::context() {
    return inner_->context;
}

Result<void> Loop::watch(int fd, std::uint32_t events, Ready ready) {
    auto& watches = inner_->watches;
    const auto index = static_cast<std::size_t>(fd);
    if (index >= watches.size()) watches.resize(index + 1);
    if (++inner_->last_number == 0) ++inner_->last_number;
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag(fd, inner_->last_number);
    if (::epoll_ctl(inner_->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        return fail(std::string("epoll_ctl: ") + std::strerror(errno));
    }
    watches[index] = {inner_->last_number, std::move(ready)};
    return {};
}

Result<void> Loop::rewatch(int fd, std::uint32_t events) {
    const auto index = static_cast<std::size_t>(fd);
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag(fd, index < inner_->watches.size() ? inner_->watches[index].number : 0);
    if (::epoll_ctl(inner_->epoll, EPOLL_CTL_MOD, fd, &event) != 0) {
        return fail(std::string("epoll_ctl: ") + std::strerror(errno));
    }
    return {};
}

bool Loop::Inner::drop(int fd) {
    const auto index = static_cast<std::size_t>(fd);
    if (fd < 0 || index >= watches.size() || watches[index].number == 0) return false;
    watches[index] = {};
    return true;
}

void Loop::forget(int fd) {
    inner_->drop(fd);
}

void Loop::unwatch(int fd) {
    if (!inner_->drop(fd)) return;
    epoll_event ignored{};  // needed by kernels before 2.6.9, says epoll_ctl(2)
    ::epoll_ctl(inner_->epoll, EPOLL_CTL_DEL, fd, &ignored);
}

void Loop::later(Callback callback) {
    inner_->pending.push_back(std::move(callback));
    if (inner_->pending_posted) return;
    // Asked for from outside a turn (an Asio handler, or before run): there is a turn to come all the same.
    inner_->pending_posted = true;
    asio::post(inner_->context, [inner = inner_.get()] {
        inner->pending_posted = false;
        inner->run_later();
    });
}

void Loop::from_any_thread(Callback callback) {
    asio::post(inner_->context, [inner = inner_.get(), callback = std::move(callback)] {
        inner->guarded(callback);
        inner->run_later();
    });
}

void Loop::on_wake(Callback callback) {
    inner_->wake = std::move(callback);
}

void Loop::wake_at(TimePoint when) {
    if (when == inner_->wake_time) return;
    inner_->wake_time = when;
    itimerspec spec{};
    if (when != TimePoint::max()) {
        // All zero would disarm it: what is due already is due at the first nanosecond.
        const auto since_boot = std::max<std::int64_t>(when.time_since_epoch().count(), 1);
        spec.it_value.tv_sec = since_boot / 1'000'000'000;
        spec.it_value.tv_nsec = since_boot % 1'000'000'000;
    }
    ::timerfd_settime(inner_->timer, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Loop::run() {
    const auto guard = asio::make_work_guard(inner_->context);
    while (!inner_->context.stopped()) inner_->guarded([this] { inner_->context.run(); });
}

void Loop::stop() {
    inner_->context.stop();
}

Now Loop::now() {
    return {std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now()),
            std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())};
}

}  // namespace pmctl
