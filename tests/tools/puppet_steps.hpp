// What the puppet can do at once, without its loop: tell what it was started with, write, fork, fill itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pmctl {

// All that a process inherits, as one JSON object: to be taken before anything is changed.
std::string describe_process(int argc, char** argv);

// Appends one line to the report, in one write, so that a reader never sees half of one.
class Report {
  public:
    explicit Report(const std::string& path);  // "": none
    void say(const std::string& line) const;

  private:
    int fd_ = -1;
};

// In a file of that name at once, or not at all.
bool write_whole(const std::string& path, const std::string& text);
// "line 1\n" ... "line COUNT\n", as fast as they are taken.
void write_lines(int fd, std::uint64_t count);
// `bytes` of 'x' and no newline.
void write_long_line(int fd, std::uint64_t bytes);
// A process that waits until it is killed, in this group; the value is its pid.
int start_child(bool ignores_term);
// The same as a daemon: a grandchild in a session of its own, whose parent has gone. It reports its pid.
void start_daemon(bool ignores_term, const Report& report);
// Opens /dev/null until there is no descriptor left; how many.
int fill_descriptors();
// "TERM", "SIGTERM" or "15"; 0: there is none of that name.
int signal_number(const std::string& name);

}  // namespace pmctl
