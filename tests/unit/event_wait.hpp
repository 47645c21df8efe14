// For tests with real processes: runs a loop until something has come about, or a cap that no healthy run
// reaches.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <stdexcept>
#include <string>

#include "supervisor/io/loop.hpp"

namespace pmctl::test {

constexpr Duration cap = std::chrono::seconds(20);

class TestLoop {
  public:
    TestLoop() : loop([](const std::string& bug) { throw std::logic_error(bug); }) {}

    Loop loop;

    // Looked at whenever the loop had something to do, and every few milliseconds for what makes no event
    // (a zombie that is reaped, a folder that is removed). False: the cap was reached.
    bool until(const std::function<bool()>& reached) {
        const TimePoint end = Loop::now().steady + cap;
        while (!reached() && Loop::now().steady < end) {
            loop.on_wake([this] { loop.stop(); });
            loop.wake_at(Loop::now().steady + std::chrono::milliseconds(2));
            loop.run();
            loop.context().restart();
        }
        return reached();
    }
};

}  // namespace pmctl::test
