#include "supervisor/io/log_reader.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <random>

#include "tests/unit/log_reader_fixture.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

// Of this process, in all: what it has read from files.
std::uint64_t bytes_read() {
    std::ifstream io("/proc/self/io");
    std::string word;
    std::uint64_t count = 0;
    while (io >> word >> count) {
        if (word == "rchar:") return count;
    }
    FAIL("/proc/self/io has no rchar");
    return 0;
}

}  // namespace

TEST_CASE("an instance that wrote nothing has no lines, and a cursor all the same") {
    const ReaderTest test;
    const LogsReply empty = test.read({"web"});
    CHECK(empty.lines.empty());
    CHECK(empty.warnings.empty());
    CHECK_FALSE(empty.more);
    test.log("web", lines(1, 3));
    CHECK(texts(test.go_on({"web"}, empty)) == "1 2");
}

TEST_CASE("lines of several instances are in the order of time, each with its name and stream") {
    const ReaderTest test;
    test.log("web", line(1) + line(4) + line(5, LogStream::Err));
    test.log("db", line(2) + line(3) + cri("6", at_second(6)));
    const LogsReply reply = test.read({"web", "db"});
    CHECK(texts(reply) == "1 2 3 4 5 6");
    CHECK(reply.lines[0] == LogLine{"web", at_second(1), false, false, "1"});
    CHECK(reply.lines[1] == LogLine{"db", at_second(2), false, false, "2"});
    CHECK(reply.lines[4] == LogLine{"web", at_second(5), true, false, "5"});
    CHECK(reply.lines[5] == LogLine{"db", at_second(6), false, true, "6"});
    CHECK(test.go_on({"web", "db"}, reply).lines.empty());
}

TEST_CASE("who follows misses nothing while no descriptor is left to read with") {
    const ReaderTest test;
    const std::string old = lines(0, 10);
    put(rotated_log_path(test.of("web"), 0), old);
    test.log("web", lines(10, 12));
    const LogsReply first = test.read({"web"}, last_lines(1));
    CHECK(texts(first) == "11");
    put(rotated_log_path(test.of("web"), old.size()), lines(10, 14));
    test.log("web", lines(14, 16));
    for (const rlim_t more : {rlim_t{0}, rlim_t{1}}) {
        CAPTURE(more);
        std::optional<Result<LogsReply>> anew;
        std::optional<LogsReply> next;
        {
            const FewDescriptors few(more);
            anew = read_log_lines(test.folder.path, {{"web", "web"}}, {});
            next = test.go_on({"web"}, first);
        }
        CHECK(anew->has_value() == (more == 1));
        CHECK(next->warnings.empty());
        CHECK(texts(*next) + " " + texts(test.go_on({"web"}, *next)) ==
              (more == 1 ? "12 13 14 15 " : " 12 13 14 15"));
    }
}

TEST_CASE("a stream alone") {
    const ReaderTest test;
    test.log("web", line(1) + line(2, LogStream::Err) + line(3) + line(4, LogStream::Err) + line(5));
    LogsRequest request;
    request.want_stdout = false;
    CHECK(texts(test.read({"web"}, request)) == "2 4");
    request.lines = 1;
    CHECK(texts(test.read({"web"}, request)) == "4");
    request.want_stdout = true;
    request.want_stderr = false;
    request.lines = 2;
    CHECK(texts(test.read({"web"}, request)) == "3 5");
}

TEST_CASE("the last lines, through rotations") {
    const ReaderTest test;
    const std::string old = lines(0, 10);
    put(rotated_log_path(test.of("web"), 0), old);
    put(rotated_log_path(test.of("web"), old.size()), lines(10, 20));
    test.log("web", lines(20, 23));
    CHECK(test.read({"web"}, last_lines(0)).lines.empty());
    CHECK(texts(test.read({"web"}, last_lines(2))) == "21 22");
    CHECK(texts(test.read({"web"}, last_lines(5))) == "18 19 20 21 22");
    CHECK(test.read({"web"}, last_lines(15)).lines.size() == 15);
    CHECK(test.read({"web"}, last_lines(23)).lines.size() == 23);
    CHECK(test.read({"web"}, last_lines(1000)).lines.size() == 23);
}

TEST_CASE("a line of several pieces is one of the last, and so is one that goes on some day") {
    const ReaderTest test;
    const std::string pieces = cri("a", at_second(2)) + cri("b", at_second(3)) + cri("c\n", at_second(4));
    test.log("web", line(1) + pieces);
    CHECK(texts(test.read({"web"}, last_lines(1))) == "a b c");
    CHECK(texts(test.read({"web"}, last_lines(2))) == "1 a b c");
    test.log("web", line(1) + pieces + cri("prompt>", at_second(5)));
    CHECK(texts(test.read({"web"}, last_lines(1))) == "prompt>");
    CHECK(texts(test.read({"web"}, last_lines(2))) == "a b c prompt>");
}

TEST_CASE("since a moment, wherever it lies") {
    const ReaderTest test;
    const std::string old = lines(0, 300);
    put(rotated_log_path(test.of("web"), 0), old);
    test.log("web", lines(300, 500));
    for (const int second : {-5, 0, 1, 137, 299, 300, 301, 498, 499}) {
        CAPTURE(second);
        LogsRequest request;
        request.since = at_second(second);
        const LogsReply reply = test.read({"web"}, request);
        REQUIRE_FALSE(reply.lines.empty());
        CHECK(reply.lines.front().text == std::to_string(std::max(second, 0)));
        CHECK(reply.lines.size() == static_cast<std::size_t>(500 - std::max(second, 0)));
    }
    LogsRequest request;
    request.since = at_second(500);
    const LogsReply none = test.read({"web"}, request);
    CHECK(none.lines.empty());
    test.log("web", lines(300, 501));
    CHECK(texts(test.go_on({"web"}, none)) == "500");
    request.since = at_second(100);
    request.lines = 3;
    CHECK(texts(test.read({"web"}, request)) == "498 499 500");
}

TEST_CASE("since a moment, with lines between that are none") {
    const ReaderTest test;
    std::string text;
    for (int i = 0; i < 200; ++i)
        text += line(i) + "rubbish that has no time " + std::string(i % 90, 'x') + "\n";
    test.log("web", text);
    for (int second = 0; second < 200; second += 13) {
        LogsRequest request;
        request.since = at_second(second);
        CHECK(test.read({"web"}, request).lines.front().text == std::to_string(second));
    }
}

TEST_CASE("little is read where little is asked for") {
    const ReaderTest test;
    std::string text;
    const std::string filler(100, 'x');
    for (int i = 0; i < 100'000; ++i) text += cri(filler + "\n", at_second(i));
    REQUIRE(text.size() > 14'000'000);
    put(rotated_log_path(test.of("web"), 0), text);
    test.log("web", line(100'000));
    const std::uint64_t before = bytes_read();
    CHECK(test.read({"web"}, last_lines(10)).lines.size() == 10);
    LogsRequest request;
    request.since = at_second(99'990);
    CHECK(test.read({"web"}, request).lines.size() == 11);
    request.since = at_second(50'000);
    CHECK(test.read({"web"}, request).lines.front().at == at_second(50'000));
    CHECK(bytes_read() - before < 2'000'000);
}

TEST_CASE("a reply has its limit, and more says so; nothing is lost or doubled between two") {
    const ReaderTest test;
    std::string web;
    std::string db;
    for (int i = 0; i < 6000; i += 2) {
        web += line(i);
        db += line(i + 1);
    }
    test.log("web", web);
    test.log("db", db);
    LogsReply reply = test.read({"web", "db"});
    int next = 0;
    int replies = 1;
    while (true) {
        for (const LogLine& each : reply.lines) REQUIRE(each.text == std::to_string(next++));
        if (!reply.more) break;
        reply = test.go_on({"web", "db"}, reply);
        ++replies;
    }
    CHECK(next == 6000);
    CHECK(replies > 2);
}

TEST_CASE("one line is given even where it is over the limit, and bytes arrive as they are") {
    const ReaderTest test;
    std::string hard(std::size_t{64} << 10, '\xff');
    for (std::size_t i = 0; i < hard.size(); i += 2) hard[i] = '\x01';
    test.log("web", cri(hard + "\n", at_second(1)) + cri(hard + "\n", at_second(2)));
    const LogsReply reply = test.read({"web"});
    REQUIRE(reply.lines.size() == 1);
    CHECK(reply.lines[0].text == hard);
    CHECK(reply.more);
    CHECK(to_text(1, Reply(reply)).size() < std::size_t{1} << 20);
    const LogsReply next = test.go_on({"web"}, reply);
    CHECK(next.lines.size() == 1);
    CHECK_FALSE(next.more);
}

TEST_CASE("a line that is being written is given when it is whole") {
    const ReaderTest test;
    const std::string text = lines(1, 3);
    for (std::size_t length = line(1).size(); length < text.size(); ++length) {
        test.log("web", text.substr(0, length));
        const LogsReply first = test.read({"web"});
        REQUIRE(texts(first) == "1");
        REQUIRE(first.warnings.empty());
        test.log("web", text);
        REQUIRE(texts(test.go_on({"web"}, first)) == "2");
    }
}

TEST_CASE("lines that are none are left out and counted") {
    const ReaderTest test;
    test.log("web", line(1) + "what is this\n\n" + line(2) + std::string(500'000, 'x') + "\n" + line(3));
    const LogsReply reply = test.read({"web"});
    CHECK(texts(reply) == "1 2 3");
    REQUIRE(reply.warnings.size() == 1);
    CHECK(reply.warnings[0] == "'web': 3 lines of its log are not in the CRI format and were left out");
    CHECK(test.go_on({"web"}, reply).warnings.empty());
    CHECK(texts(test.read({"web"}, last_lines(2))) == "2 3");
}

TEST_CASE("a file whose last line never got its end costs that line alone") {
    const ReaderTest test;
    const std::string old = lines(0, 5) + line(5).substr(0, 41);
    put(rotated_log_path(test.of("web"), 0), old);
    test.log("web", lines(6, 8));
    const LogsReply reply = test.read({"web"});
    CHECK(texts(reply) == "0 1 2 3 4 6 7");
    CHECK(reply.warnings.size() == 1);
}

TEST_CASE("random files do not trouble the reader, and it always comes to an end") {
    std::mt19937 random(17);
    const std::string good = lines(0, 50);
    for (int round = 0; round < 150; ++round) {
        const ReaderTest test;
        const auto rubbish = [&] {
            std::string text;
            for (unsigned n = random() % 40; n > 0; --n) {
                const std::size_t from = random() % good.size();
                text += good.substr(from, random() % 200);
                if (random() % 3 == 0) text += static_cast<char>(random());
                if (random() % 50 == 0) text += std::string(random() % 300'000, 'x');
            }
            return text;
        };
        std::uint64_t position = random() % 1000;
        for (unsigned n = random() % 4; n > 0; --n) {
            const std::string text = rubbish();
            put(rotated_log_path(test.of("web"), position), text);
            position += text.size() * (random() % 3) / 2;  // gaps, and overlaps too
        }
        test.log("web", rubbish());
        for (int way = 0; way < 4; ++way) {
            LogsRequest request;
            if (way == 1) request.lines = random() % 20;
            if (way == 2) request.since = at_second(static_cast<int>(random() % 60));
            if (way == 3) request.cursor = "web=" + std::to_string(random() % 20'000);
            LogsReply reply = test.read({"web"}, request);
            int replies = 0;
            while (reply.more) {
                REQUIRE(++replies < 100);
                reply = test.go_on({"web"}, reply);
            }
            CHECK(test.go_on({"web"}, reply).lines.empty());
        }
    }
}
