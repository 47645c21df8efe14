#include "supervisor/io/log_seam.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/log_folder.hpp"

using namespace pmctl;
using namespace pmctl::test;

namespace {

std::string numbered(int from, int to) {
    std::string text;
    for (int i = from; i < to; ++i) text += "line " + std::to_string(i) + " of a program that counts\n";
    return text;
}

const std::string before = numbered(0, 100);
const std::string last = numbered(100, 400);
const std::string more = numbered(400, 500);
const std::string whole_log_text = cri(before, at_second(1)) + cri(last, at_second(2));

}  // namespace

TEST_CASE("a read that was written and not taken out is a repetition") {
    REQUIRE(last.size() > certain_repeat);
    CHECK(find_seam(whole_log_text, last, LogStream::Out).repeated == last.size());
    CHECK(find_seam(whole_log_text, last + more, LogStream::Out).repeated == last.size());
    CHECK(find_seam(whole_log_text, last + more, LogStream::Out).torn == 0);
}

TEST_CASE("of a read that was taken out in part the rest is a repetition") {
    const std::string rest = last.substr(1000);
    REQUIRE(rest.size() > certain_repeat);
    CHECK(find_seam(whole_log_text, rest + more, LogStream::Out).repeated == rest.size());
}

TEST_CASE("a read whose writing ended between two lines is a repetition as far as it was written") {
    CHECK(find_seam(cri(before, at_second(1)) + cri(numbered(100, 300), at_second(2)), last, LogStream::Out)
              .repeated == numbered(100, 300).size());
}

TEST_CASE("a read that ended without a newline is a repetition too") {
    const std::string piece = last + "half a li";
    CHECK(find_seam(cri(before, at_second(1)) + cri(piece, at_second(2)), piece + "ne\n", LogStream::Out)
              .repeated == piece.size());
}

TEST_CASE("what is not certain is kept") {
    SUBCASE("the FIFO goes on with something else") {
        CHECK(find_seam(whole_log_text, more, LogStream::Out).repeated == 0);
    }
    SUBCASE("few bytes: a heartbeat says the same each time") {
        CHECK(find_seam(cri(before, at_second(1)) + cri("beat\n", at_second(2)), "beat\n", LogStream::Out)
                  .repeated == 0);
    }
    SUBCASE("an earlier read, not the last one") {
        CHECK(find_seam(cri(last, at_second(1)) + cri("x\n", at_second(2)), last, LogStream::Out).repeated ==
              0);
    }
    SUBCASE("the other stream") {
        CHECK(find_seam(whole_log_text, last, LogStream::Err).repeated == 0);
        CHECK(find_seam(whole_log_text + cri("x\n", at_second(3), LogStream::Err), last, LogStream::Out)
                  .repeated == 0);
    }
    SUBCASE("a program that says one thing again and again") {
        std::string same;
        while (same.size() < 2 * certain_repeat) same += "y\n";
        CHECK(find_seam(cri(before, at_second(1)) + cri(same, at_second(2)), same, LogStream::Out).repeated ==
              0);
    }
    SUBCASE("a program that prints one page a read") {
        CHECK(find_seam(cri(last, at_second(1)) + cri(last, at_second(2)), last, LogStream::Out).repeated ==
              0);
    }
    SUBCASE("no log") {
        CHECK(find_seam("", last, LogStream::Out).repeated == 0);
    }
    SUBCASE("no CRI log") {
        CHECK(find_seam("what is this\n", last, LogStream::Out).repeated == 0);
    }
}

TEST_CASE("a torn line whose text waits in the FIFO is cut, and what was written before it is dropped") {
    const std::string short_read = "one\ntwo\nthree\n";
    const std::string written = cri(short_read, at_second(2));
    const std::string torn = written.substr(0, written.size() - 3);
    const LogSeam seam = find_seam(cri(before, at_second(1)) + torn, short_read, LogStream::Out);
    CHECK(seam.repeated == std::string("one\ntwo\n").size());
    CHECK(seam.torn == cri("thr", at_second(2)).size() - 1);

    const LogSeam other = find_seam(cri(before, at_second(1)) + torn, "one\ntwo\nfour\n", LogStream::Out);
    CHECK(other.repeated == 0);
    CHECK(other.torn == 0);
    CHECK(find_seam(torn, short_read, LogStream::Err).torn == 0);

    // With nothing but a time it is certain too, with less it is not.
    const std::string two = cri("one\ntwo\n", at_second(2));
    const std::string bare = written.substr(0, two.size() + cri_prefix_length - 3);
    CHECK(find_seam(bare, short_read, LogStream::Out).repeated == 8);
    CHECK(find_seam(bare, short_read, LogStream::Out).torn == cri_prefix_length - 3);
    CHECK(find_seam(bare.substr(0, bare.size() - 1), short_read, LogStream::Out).repeated == 0);
}

TEST_CASE("the end of a log is read through its newest rotation") {
    const LogFolder folder;
    put(rotated_log_path(folder.path, 0), "abcdef");
    put(current_log_path(folder.path), "ghi");
    CHECK(*end_of_log(folder.path, 100) == "abcdefghi");
    CHECK(*end_of_log(folder.path, 5) == "efghi");
    CHECK(*end_of_log(folder.path, 2) == "hi");
    CHECK(end_of_log(folder.path + "/none", 2)->empty());
}
