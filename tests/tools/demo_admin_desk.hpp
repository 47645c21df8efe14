// Where the questions wait that are not answered at once: polls for an event that is not there yet, and
// answers that a fault delays. Takes questions from any session and hands each its reply exactly once.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "shared/time.hpp"
#include "tests/tools/demo_admin_service.hpp"

namespace pmctl {

class DemoDesk {
  public:
    using Number = std::uint64_t;
    using Send = std::function<void(const DemoReply&)>;

    DemoDesk(boost::asio::io_context& context, DemoService& service, Duration hold);

    // `send` comes at once or later, never after forget(); logged where it comes. 0: it has come.
    Number ask(DemoQuestion question, Send send);
    void forget(Number number);  // who asked is gone
    void store_changed();
    // Everything that waits is answered now, and so is what is asked from now on.
    void stop();

  private:
    struct Waiting {
        DemoQuestion question;
        Send send;
        boost::asio::steady_timer timer;
        std::optional<DemoReply> reply;  // none yet: a held poll
    };

    void start_timer(Number number, Waiting& waiting, Duration wait);
    void time_is_over(Number number);
    void settle(Number number, DemoReply reply);  // now, or after its delay
    void finish(Number number, const DemoReply& reply);

    boost::asio::io_context& context_;
    DemoService& service_;
    Duration hold_;
    std::map<Number, Waiting> waiting_;
    Number last_ = 0;
    bool stopping_ = false;
};

// One line to standard output, at once. What is not printable in it becomes '?'.
void say(std::string line);

}  // namespace pmctl
