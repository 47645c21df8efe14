// pmctld as a process: the Supervisor with its doors (control socket, HTTP API), the service manager's
// notifications, signals, and the replacement of its own program. Wiring; decisions are the Supervisor's.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/commands.hpp"
#include "supervisor/io/control.hpp"
#include "supervisor/io/handover.hpp"
#include "supervisor/io/http_api.hpp"
#include "supervisor/io/notify.hpp"
#include "supervisor/io/pid_file.hpp"
#include "supervisor/io/real_effects.hpp"
#include "supervisor/io/timer.hpp"
#include "supervisor/io/upgrade.hpp"

namespace pmctl {

class Daemon {
  public:
    // What the next program needs of this one's start.
    struct Origin {
        const PidFile& pid_file;
        const Descriptor& state_lock;
        ChildDefaults child_defaults;
        std::vector<std::string> command;  // how to call it: Upgrade::make
    };

    Daemon(Loop& loop, RealEffects& effects, Supervisor& supervisor, Notifier notifier, Origin origin);

    // `left`: of the program before this one.
    Result<void> open_door(const SupervisorSettings& settings, std::optional<gid_t> group,
                           ControlServer::Left left);
    // Once the runs that were found healthy have been checked again, or `patience` is over: until then nobody
    // is told that nothing serves. `listening`: a socket that waits meanwhile.
    void open_http(const HttpSettings& settings, Descriptor listening);
    void on_signal(int number);
    void ready(int ready_fd);

  private:
    Control::Answer answer(const Request& request, bool may_park);
    std::optional<Result<Reply>> upgrade(bool may_park);
    void changed();
    void reopen_log(Now now);
    void open_http_now();
    void reload(Now now);
    void tell_routes();
    void feed_watchdog();
    void leave();
    Result<Handover> gather();
    void go_on();

    Loop& loop_;
    RealEffects& effects_;
    Supervisor& supervisor_;
    Commands commands_;
    Notifier notifier_;
    Origin origin_;
    Timer watchdog_;
    std::optional<Control> control_;
    HttpSettings http_settings_;
    Descriptor http_listening_;
    // Until then it is not opened. Made before anything is started: for want of a descriptor nothing is left.
    std::optional<Timer> http_due_;
    bool http_fault_told_ = false;
    std::optional<HttpApi> http_;
    std::unique_ptr<Upgrade> upgrade_;
    std::uint64_t told_routes_ = 0;
};

}  // namespace pmctl
