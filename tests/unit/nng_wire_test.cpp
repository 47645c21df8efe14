#include "supervisor/io/nng_wire.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace pmctl;
using Kind = WireMessage::Kind;

namespace {

std::string with_head(const std::string& content) {
    const auto head = message_head(content.size());
    return std::string(head.data(), head.size()) + content;
}

std::string hops(int count) {
    std::string route;
    for (int i = 0; i < count; ++i) route += std::string("\0\0\0\x07", 4);
    return route + std::string("\x80\0\0\x01", 4);
}

}  // namespace

TEST_CASE("a message is a one, eight bytes of length, its route and its body") {
    CHECK(with_head("abc") == std::string("\x01\0\0\0\0\0\0\0\x03"
                                          "abc",
                                          12));
    const std::string first = with_head(hops(0) + "body");
    const std::string came = first + "\x01more";
    const WireMessage found = first_message(came, 100);
    CHECK(found.kind == Kind::Whole);
    CHECK(found.bytes == first.size());
    CHECK(found.route == std::string("\x80\0\0\x01", 4));
    CHECK(found.body == "body");
}

TEST_CASE("every part of a message but the whole is unfinished") {
    const std::string whole = with_head(hops(2) + "body");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        INFO(size);
        CHECK(first_message(std::string_view(whole).substr(0, size), 100).kind == Kind::Unfinished);
    }
    CHECK(first_message(whole, 100).kind == Kind::Whole);
    CHECK(first_message(whole, 100).route == hops(2));
}

TEST_CASE("what is no message, or a longer one than is taken, is broken as soon as that can be told") {
    CHECK(first_message("G", 100).kind == Kind::Broken);
    CHECK(first_message(std::string(1, '\0'), 100).kind == Kind::Broken);
    const std::string text(96, 'x');
    CHECK(first_message(with_head(hops(0) + text), 100).kind == Kind::Whole);
    CHECK(first_message(with_head(hops(0) + text), 99).kind == Kind::Broken);
    CHECK(first_message(std::string("\x01\xff\xff\xff\xff\xff\xff\xff\xff", 9), 100).kind == Kind::Broken);
}

TEST_CASE("a route has an end, and no more numbers than eight") {
    CHECK(first_message(with_head(""), 100).kind == Kind::Broken);
    CHECK(first_message(with_head("\x80\x80\x80"), 100).kind == Kind::Broken);
    CHECK(first_message(with_head(std::string("\0\0\0\x01", 4)), 100).kind == Kind::Broken);
    CHECK(first_message(with_head(hops(7)), 100).kind == Kind::Whole);
    const std::string far = with_head(hops(8) + "body");
    const WireMessage lost = first_message(far, 100);
    CHECK(lost.kind == Kind::Lost);
    CHECK(lost.bytes == far.size());
}
