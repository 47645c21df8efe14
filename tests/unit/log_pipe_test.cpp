#include "supervisor/io/log_pipe.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/unit/log_folder.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

struct PipeTest {
    LogFolder folder;
    std::unique_ptr<LogScratch> scratch = std::move(*LogScratch::make());
    LogFile file{folder.path + "/log", {1 << 20, 1000}};

    LogPipe open(LogStream stream = LogStream::Out) const {
        auto pipe = LogPipe::open(folder.path + "/fifo", stream);
        REQUIRE(pipe.has_value());
        return std::move(*pipe);
    }
    std::size_t pump(LogPipe& pipe, std::size_t budget = SIZE_MAX, int second = 1) {
        const auto pumped = pipe.pump(file, *scratch, budget, at_second(second));
        REQUIRE(pumped.outcome.has_value());
        return pumped.size;
    }
    std::string log() const { return whole_log(folder.path + "/log"); }
};

struct ChildEnd {
    explicit ChildEnd(const LogPipe& pipe) : fd(::dup(*pipe.child_end())) {}
    ~ChildEnd() { ::close(fd); }
    ChildEnd(const ChildEnd&) = delete;
    ChildEnd& operator=(const ChildEnd&) = delete;

    void say(std::string_view text) const {
        while (!text.empty()) {
            const ssize_t count = ::write(fd, text.data(), text.size());
            REQUIRE(count > 0);
            text.remove_prefix(static_cast<std::size_t>(count));
        }
    }
    int waiting() const {
        int count = -1;
        ::ioctl(fd, FIONREAD, &count);
        return count;
    }
    int fd;
};

}  // namespace

TEST_CASE("what a program writes is in the log as lines, and out of the FIFO") {
    PipeTest test;
    LogPipe pipe = test.open();
    const ChildEnd child(pipe);
    CHECK(test.pump(pipe) == 0);
    child.say("one\ntwo\nprompt> ");
    CHECK(test.pump(pipe) == 16);
    CHECK(test.log() == cri("one\ntwo\nprompt> ", at_second(1)));
    CHECK(child.waiting() == 0);
    child.say("yes\n");
    CHECK(test.pump(pipe, SIZE_MAX, 2) == 4);
    CHECK(test.log() == cri("one\ntwo\nprompt> ", at_second(1)) + cri("yes\n", at_second(2)));
    CHECK(raw_of(test.log()) == "one\ntwo\nprompt> yes\n");
}

TEST_CASE("others may only write into the FIFO, and the child's end blocks") {
    PipeTest test;
    const LogPipe pipe = test.open();
    struct stat status{};
    REQUIRE(::stat((test.folder.path + "/fifo").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0622);
    CHECK((::fcntl(pipe.fd(), F_GETFD) & FD_CLOEXEC) != 0);
    {
        const ChildEnd child(pipe);
        CHECK((::fcntl(child.fd, F_GETFL) & O_NONBLOCK) == 0);
        REQUIRE(::fcntl(child.fd, F_SETFL, O_NONBLOCK) == 0);
    }
    // The next process does not inherit what the last one made of its stream.
    const ChildEnd next(pipe);
    CHECK((::fcntl(next.fd, F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("a stream that its process has made not to block is read as before") {
    PipeTest test;
    LogPipe pipe = test.open();
    const ChildEnd child(pipe);
    REQUIRE(::fcntl(child.fd, F_SETFL, O_NONBLOCK) == 0);
    CHECK(test.pump(pipe) == 0);
    child.say("one\n");
    CHECK(test.pump(pipe) == 4);
    CHECK(test.pump(pipe) == 0);
}

TEST_CASE("no more than its share is taken, and the rest waits") {
    PipeTest test;
    LogPipe pipe = test.open();
    const ChildEnd child(pipe);
    REQUIRE(::fcntl(child.fd, F_SETPIPE_SZ, 512 << 10) >= 512 << 10);
    std::string text;
    while (text.size() < std::size_t{300} << 10) text += "a line like any other\n";
    child.say(text);
    CHECK(test.pump(pipe, LogScratch::read_size) == LogScratch::read_size);
    CHECK(static_cast<std::size_t>(child.waiting()) == text.size() - LogScratch::read_size);
    while (test.pump(pipe, LogScratch::read_size) > 0) continue;
    CHECK(raw_of(test.log()) == text);
}

TEST_CASE("a dead supervisor costs its programs neither a signal nor what they wrote") {
    PipeTest test;
    auto first = std::make_unique<LogPipe>(test.open());
    const ChildEnd child(*first);
    child.say("before\n");
    first.reset();
    child.say("meanwhile\n");
    LogPipe next = test.open();
    CHECK(test.pump(next) == 17);
    CHECK(raw_of(test.log()) == "before\nmeanwhile\n");
}

TEST_CASE("each read has a time of its own") {
    PipeTest test;
    LogPipe pipe = test.open();
    const ChildEnd child(pipe);
    REQUIRE(::fcntl(child.fd, F_SETPIPE_SZ, 512 << 10) >= 512 << 10);
    child.say(std::string(3 * LogScratch::read_size, 'x'));
    test.pump(pipe);
    const std::string log = test.log();
    CHECK(log.starts_with(cri("x", at_second(1)).substr(0, cri_time_length)));
    for (const int after : {1, 2})
        CHECK(log.find(cri("x", at_second(1) + Duration(after)).substr(0, cri_time_length)) !=
              std::string::npos);
}

TEST_CASE(
    "ten megabytes without a newline are pieces of one line, and empty lines by the thousand are lines") {
    PipeTest test;
    LogPipe pipe = test.open(LogStream::Err);
    std::string text;
    SUBCASE("one line") {
        text = std::string(10 << 20, 'x') + "\n";
    }
    SUBCASE("empty lines") {
        text = std::string(100'000, '\n');
    }
    SUBCASE("very small files") {
        test.file.set({4096, 100'000});
        text = std::string(300'000, 'x') + "\n" + std::string(3000, '\n');
    }
    std::thread program([&, fd = ::dup(*pipe.child_end())] {
        std::string_view rest = text;
        while (!rest.empty())
            rest.remove_prefix(static_cast<std::size_t>(::write(fd, rest.data(), rest.size())));
        ::close(fd);
    });
    std::size_t size = 0;
    while (size < text.size()) size += test.pump(pipe, std::size_t{256} << 10);
    program.join();
    CHECK(raw_of(test.log(), LogStream::Err) == text);
}

TEST_CASE("a disk that takes a part loses nothing and tears nothing") {
    PipeTest test;
    LogPipe pipe = test.open();
    const ChildEnd child(pipe);
    std::string text;
    for (int i = 0; i < 500; ++i) text += "line " + std::to_string(i) + "\n";
    child.say(text);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    auto* const old = std::signal(SIGXFSZ, SIG_IGN);
    for (const std::size_t room : {100U, 5000U, 5001U, 12'000U}) {
        rlimit full = before;
        full.rlim_cur = room;
        ::setrlimit(RLIMIT_FSIZE, &full);
        const auto pumped = pipe.pump(test.file, *test.scratch, SIZE_MAX, at_second(1));
        ::setrlimit(RLIMIT_FSIZE, &before);
        REQUIRE_FALSE(pumped.outcome.has_value());
        const std::string log = raw_of(test.log());
        CHECK(text.starts_with(log));
        CHECK(static_cast<std::size_t>(child.waiting()) == text.size() - log.size());
    }
    std::signal(SIGXFSZ, old);
    test.pump(pipe);
    CHECK(raw_of(test.log()) == text);
}

TEST_CASE("a file in the FIFO's place is named, and left alone") {
    PipeTest test;
    put(test.folder.path + "/fifo", "mine");
    const auto pipe = LogPipe::open(test.folder.path + "/fifo", LogStream::Out);
    REQUIRE_FALSE(pipe.has_value());
    CHECK(pipe.error().message == "'" + test.folder.path + "/fifo' is no FIFO: remove it");
    CHECK(content_of(test.folder.path + "/fifo") == "mine");
}
