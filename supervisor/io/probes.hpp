// HTTP and TCP checks of ports of this machine, many at once on the loop, with connections kept between the
// checks of a run. When a run is checked and what a result means for it is decided elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shared/time.hpp"
#include "supervisor/core/check_result.hpp"
#include "supervisor/core/run.hpp"
#include "supervisor/io/loop.hpp"

namespace pmctl {

class Probes {
  public:
    using OnResult = std::function<void(RunNumber, const CheckResult&)>;

    // `on_result` is called once for each check, from the loop, never within check or check_tcp; it may call
    // anything here. Throws std::system_error where the kernel gives no timer.
    Probes(Loop& loop, OnResult on_result);
    ~Probes();  // checks in flight end without a result
    Probes(const Probes&) = delete;
    Probes& operator=(const Probes&) = delete;

    // GET `path`: healthy is a complete 2xx answer within `timeout`, which covers connecting too and is kept
    // to 20 ms. A check of a run that has one in flight gets that one's result as its own.
    // `answered_by`: see CheckRequest.
    void check(RunNumber run, std::uint16_t port, const std::string& path, Duration timeout, bool keep_alive,
               int answered_by = 0);
    // Healthy is a connection that was accepted; it is closed at once.
    void check_tcp(RunNumber run, std::uint16_t port, Duration timeout);

    // Closes the kept connection and ends the check in flight, without a result.
    void forget(RunNumber run);

    // Where the run's last connection was accepted: "127.0.0.1", which is tried first, or "::1".
    const char* address_of(RunNumber run) const;

  private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace pmctl
