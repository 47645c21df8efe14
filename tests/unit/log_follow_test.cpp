#include <doctest/doctest.h>

#include <charconv>
#include <filesystem>
#include <random>

#include "supervisor/io/log_cursor.hpp"
#include "supervisor/io/log_reader.hpp"
#include "tests/unit/log_reader_fixture.hpp"

using namespace pmctl;
using namespace pmctl::test;

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
