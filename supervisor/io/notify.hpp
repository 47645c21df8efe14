// What a service manager is told: sd_notify(3) datagrams to NOTIFY_SOCKET, and the watchdog that it asks for
// (sd_watchdog_enabled(3)). When to say what is main's; without the variables everything here does nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shared/result.hpp"
#include "shared/time.hpp"

namespace pmctl {

class Notifier {
  public:
    // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of this process's environment.
    static Notifier from_environment();
    // `socket`: an absolute path, or '@' and a name in the abstract namespace; "" for nobody.
    explicit Notifier(std::string socket, std::optional<Duration> watchdog = std::nullopt)
        : socket_(std::move(socket)), watchdog_(watchdog) {}

    bool active() const { return !socket_.empty(); }
    // The time within which `watchdog` must be said again, as the manager set it; it advises to say it at
    // half of that.
    std::optional<Duration> watchdog_interval() const { return watchdog_; }

    // Errors are for the log: nothing depends on them.
    Result<void> ready(std::string_view status) const;
    // Followed by `ready` when it is done. `now` goes as MONOTONIC_USEC, which Type=notify-reload asks for.
    Result<void> reloading(TimePoint now) const;
    Result<void> stopping(std::string_view status) const;
    Result<void> status(std::string_view status) const;
    Result<void> watchdog() const;
    // Another process is the service's main one now.
    Result<void> main_pid(int pid) const;

  private:
    Result<void> send(const std::string& text) const;

    std::string socket_;
    std::optional<Duration> watchdog_;
};

}  // namespace pmctl
