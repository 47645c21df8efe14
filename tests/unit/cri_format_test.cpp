#include "supervisor/io/cri_format.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/unit/log_folder.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

const WallTime moment = *parse_rfc3339("2026-11-22T20:10:11.123456789Z");
const std::string out = "2026-11-22T20:10:11.123456789Z stdout F ";
const std::string out_piece = "2026-11-22T20:10:11.123456789Z stdout P ";

}  // namespace

TEST_CASE("raw bytes become lines of one moment, and a rest without a newline a piece") {
    struct Row {
        std::string raw;
        std::string lines;
    };
    const std::vector<Row> rows = {
        {"", ""},
        {"\n", out + "\n"},
        {"one\n", out + "one\n"},
        {"one\n\ntwo\n", out + "one\n" + out + "\n" + out + "two\n"},
        {"prompt> ", out_piece + "prompt> \n"},
        {"one\ntw", out + "one\n" + out_piece + "tw\n"},
        {std::string("a\0b\r\n", 5), out + std::string("a\0b\r\n", 5)},
    };
    for (const Row& row : rows) {
        CAPTURE(row.raw);
        CHECK(cri(row.raw, moment) == row.lines);
        CHECK(raw_size(row.lines) == row.raw.size());
    }
    CHECK(cri("x\n", moment, LogStream::Err) == "2026-11-22T20:10:11.123456789Z stderr F x\n");
}

TEST_CASE("what does not fit is left for the next batch, and a line that never fits is cut") {
    std::string room(cri_prefix_length + 8, '\0');
    const auto first = encode_cri("1234567\nnext\n", moment, LogStream::Out, room);
    CHECK(first.taken == 8);
    CHECK(room.substr(0, first.size) == out + "1234567\n");
    const auto cut = encode_cri("12345678\n", moment, LogStream::Out, room);
    CHECK(cut.taken == 7);
    CHECK(room.substr(0, cut.size) == out_piece + "1234567\n");
    const auto rest = encode_cri("1234567", moment, LogStream::Out, room);
    CHECK(rest.taken == 7);
    CHECK(room.substr(0, rest.size) == out_piece + "1234567\n");

    std::string too_small(cri_prefix_length + 1, '\0');
    const auto none = encode_cri("12345678\n", moment, LogStream::Out, too_small);
    CHECK(none.taken == 0);
    CHECK(none.size == 0);
}

TEST_CASE("random bytes come back as they were, whatever the room") {
    std::mt19937 random(11);
    for (int round = 0; round < 300; ++round) {
        std::string raw(random() % 3000, '\0');
        for (char& c : raw) c = random() % 12 == 0 ? '\n' : static_cast<char>(random());
        std::vector<char> room(cri_prefix_length + 2 + random() % 400);
        std::string lines;
        std::string_view rest = raw;
        while (!rest.empty()) {
            const auto batch = encode_cri(rest, moment + Duration(round), LogStream::Err, room);
            REQUIRE(batch.taken > 0);
            REQUIRE(batch.size <= room.size());
            const std::string_view made(room.data(), batch.size);
            REQUIRE(raw_size(made) == batch.taken);
            lines += made;
            rest.remove_prefix(batch.taken);
        }
        CHECK(raw_of(lines, LogStream::Err) == raw);
    }
}

TEST_CASE("a line is read back with all its parts") {
    const auto line = parse_cri("2026-11-22T20:10:11.123456789Z stderr P half a line ");
    REQUIRE(line);
    CHECK(line->at == moment);
    CHECK(line->stream == LogStream::Err);
    CHECK(line->partial);
    CHECK(line->text == "half a line ");
    CHECK(parse_cri(out)->text.empty());
}

TEST_CASE("what is no CRI line is none") {
    for (const std::string text : {
             "",
             "hello",
             "2026-11-22T20:10:11.123456789Z",
             "2026-11-22T20:10:11.123456789Z stdout F",
             "2026-11-22T20:10:11.123456789Z stdout X text",
             "2026-11-22T20:10:11.123456789Z stdaux F text",
             "2026-11-22T20:10:11.123456789Z stdout Ftext",
             "2026-13-22T20:10:11.123456789Z stdout F text",
             "2026-02-30T20:10:11.123456789Z stdout F text",
             "2026-11-22T24:10:11.123456789Z stdout F text",
             "2026-11-22T20:60:11.123456789Z stdout F text",
             "2026-11-22 20:10:11.123456789Z stdout F text",
             "2026-11-22T20:10:11.12345678xZ stdout F text",
             "9999-11-22T20:10:11.123456789Z stdout F text",
             "0000-11-22T20:10:11.123456789Z stdout F text",
         }) {
        CAPTURE(text);
        CHECK_FALSE(parse_cri(text).has_value());
    }
}
