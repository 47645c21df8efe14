// How a process that changes the store tells the one that serves it, at once and without polling: after the
// commit it opens and closes the file beside the database whose name ends in "-changed", and inotify(7)
// reports that. (The write-ahead log itself says it too early: before the commit can be read.)
#pragma once

#include <string>

#include "shared/result.hpp"

namespace pmctl {

Result<void> tell_of_change(const std::string& database);

// One process at a time has it, others wait: for what SQLite refuses to do while others look on, which is to
// turn a new database into one with a write-ahead log.
class DemoLock {
  public:
    static Result<DemoLock> take(const std::string& database);
    ~DemoLock();
    DemoLock(DemoLock&& other) noexcept;
    DemoLock& operator=(DemoLock&&) = delete;

  private:
    explicit DemoLock(int fd) : fd_(fd) {}

    int fd_;
};

class DemoWatch {
  public:
    static Result<DemoWatch> open(const std::string& database);
    ~DemoWatch();
    DemoWatch(DemoWatch&& other) noexcept;
    DemoWatch& operator=(DemoWatch&&) = delete;

    // To be polled for reading; does not block.
    [[nodiscard]] int fd() const { return fd_; }
    // Takes what was reported; whether some of it is about the store. A database that another program wrote
    // and closed counts as well.
    [[nodiscard]] bool take();

  private:
    DemoWatch(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

    int fd_;
    std::string name_;  // of the database, in its folder
};

}  // namespace pmctl
