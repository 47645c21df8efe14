#include "supervisor/io/log_reader.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <random>

#include "supervisor/io/log_cursor.hpp"
#include "tests/unit/log_folder.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

using Names = std::vector<std::pair<std::string, std::string>>;

struct ReaderTest {
    LogFolder folder;

    std::string of(const std::string& name) const { return folder.path + "/" + name; }
    void log(const std::string& name, const std::string& lines) const {
        put(current_log_path(of(name)), lines);
    }
    LogsReply read(const std::vector<std::string>& names, const LogsRequest& request = {}) const {
        Names pairs;
        for (const std::string& name : names) pairs.emplace_back(name, name);
        auto reply = read_log_lines(folder.path, pairs, request);
        REQUIRE(reply.has_value());
        return std::move(*reply);
    }
    LogsReply go_on(const std::vector<std::string>& names, const LogsReply& last) const {
        return read(names, after(last));
    }
    static LogsRequest after(const LogsReply& last) {
        LogsRequest request;
        request.cursor = last.cursor;
        return request;
    }
};

LogsRequest last_lines(std::uint64_t count) {
    LogsRequest request;
    request.lines = count;
    return request;
}

std::string texts(const LogsReply& reply) {
    std::string all;
    for (const LogLine& line : reply.lines) all += (all.empty() ? "" : " ") + line.text;
    return all;
}

std::string line(int number, LogStream stream = LogStream::Out) {
    return cri(std::to_string(number) + "\n", at_second(number), stream);
}

std::string lines(int from, int to) {
    std::string text;
    for (int i = from; i < to; ++i) text += line(i);
    return text;
}

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

TEST_CASE("who comes too late is told how much is gone") {
    const ReaderTest test;
    test.log("web", lines(0, 10));
    const LogsReply first = test.read({"web"});
    const std::uint64_t end = lines(0, 10).size();
    SUBCASE("at the beginning of what is left") {
        std::filesystem::remove(current_log_path(test.of("web")));
        put(rotated_log_path(test.of("web"), end + 1234), lines(20, 22));
    }
    SUBCASE("between two files") {
        std::filesystem::rename(current_log_path(test.of("web")), rotated_log_path(test.of("web"), 0));
        put(rotated_log_path(test.of("web"), end + 1234), lines(20, 22));
    }
    test.log("web", lines(22, 23));
    const LogsReply reply = test.go_on({"web"}, first);
    CHECK(texts(reply) == "20 21 22");
    REQUIRE(reply.warnings.size() == 1);
    CHECK(reply.warnings[0] == "'web': 1234 bytes were rotated away before they were read");
    CHECK(test.go_on({"web"}, reply).warnings.empty());
}

TEST_CASE("a log that was replaced by a new one is read from its beginning, and that is said") {
    const ReaderTest test;
    test.log("web", lines(0, 100));
    const LogsReply first = test.read({"web"}, last_lines(1));
    test.log("web", lines(100, 103));
    const LogsReply reply = test.go_on({"web"}, first);
    CHECK(texts(reply) == "100 101 102");
    CHECK(reply.warnings == std::vector<std::string>{"'web': its log began anew"});
    CHECK(test.go_on({"web"}, reply).warnings.empty());
}

TEST_CASE("a name that is new to the cursor is read from its beginning") {
    const ReaderTest test;
    test.log("web", lines(0, 5));
    const LogsReply first = test.read({"web"}, last_lines(1));
    test.log("web:1", lines(5, 8));
    CHECK(texts(test.go_on({"web", "web:1"}, first)) == "5 6 7");
}

TEST_CASE("who is at the known end costs no look at the disk") {
    const ReaderTest test;
    test.log("web", lines(0, 5));
    const LogsReply first = test.read({"web"});
    test.log("web", lines(0, 7));
    const auto read_with_end = [&](std::uint64_t end) {
        const auto reply = read_log_lines(test.folder.path, {{"web", "web"}}, ReaderTest::after(first),
                                          [end](const std::string&) { return end; });
        REQUIRE(reply.has_value());
        return *reply;
    };
    const LogsReply same = read_with_end(lines(0, 5).size());
    CHECK(same.lines.empty());
    CHECK(same.cursor == first.cursor);
    CHECK(texts(read_with_end(lines(0, 7).size())) == "5 6");
}

TEST_CASE("a cursor is its own text again, and what is none is refused") {
    const LogCursor cursor = {{"web", 0}, {"web:1", 18446744073709551615U}};
    CHECK(*parse_log_cursor(to_text(cursor)) == cursor);
    for (const char* text : {"x", "web=", "=1", "web=1,,", "web=-1", "web=18446744073709551616", "web=1x"}) {
        CAPTURE(text);
        LogsRequest request;
        request.cursor = text;
        const auto reply = read_log_lines("/nowhere", {{"web", "web"}}, request);
        REQUIRE_FALSE(reply.has_value());
        CHECK(reply.error().kind == ErrorKind::Invalid);
    }
}

TEST_CASE("numbered lines through many rotations: nothing lost or doubled, and who is late is told exactly") {
    const ReaderTest test;
    LogFile file(test.of("web"), {4096, 4});
    std::mt19937 random(3);
    struct Follower {
        std::uint64_t next = 0;   // the number that comes next
        std::uint64_t bytes = 0;  // of lines read and of lines reported as lost
        std::uint64_t lost = 0;
        LogsReply last;
    };
    Follower quick;
    Follower slow;
    constexpr std::uint64_t count = 5000;
    const auto numbered = [](std::uint64_t number) {
        return cri("number " + std::to_string(number) + "\n", at_second(static_cast<int>(number)));
    };
    const auto follow = [&](Follower& follower) {
        follower.last = test.go_on({"web"}, follower.last);
        for (const std::string& warning : follower.last.warnings) {
            std::uint64_t bytes = 0;
            const std::string_view digits =
                std::string_view(warning).substr(std::string_view("'web': ").size());
            const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), bytes).ptr;
            REQUIRE(std::string_view(end) == " bytes were rotated away before they were read");
            std::uint64_t gone = 0;
            while (gone < bytes) gone += numbered(follower.next++).size();
            REQUIRE(gone == bytes);
            ++follower.lost;
        }
        for (const LogLine& each : follower.last.lines)
            REQUIRE(each.text == "number " + std::to_string(follower.next++));
    };
    quick.last = slow.last = test.read({"web"});
    std::uint64_t number = 0;
    int missed = 0;  // by the quick one: four batches are always there
    while (number < count) {
        std::string batch;
        for (std::uint64_t n = random() % 40; n > 0; --n) batch += numbered(number++);
        REQUIRE(file.append(batch).outcome.has_value());
        if (random() % 3 == 0 || ++missed == 4) {
            follow(quick);
            missed = 0;
        }
        if (random() % 40 == 0) follow(slow);
    }
    follow(quick);
    follow(slow);
    CHECK(quick.next == number);
    CHECK(quick.lost == 0);
    CHECK(slow.next == number);
    CHECK(slow.lost > 3);
    CHECK(file.end() > 50 * 4096);
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
