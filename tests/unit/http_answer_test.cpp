#include "supervisor/io/http_answer.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace pmctl;

namespace {

// The verdict on an answer of which one piece after the other arrives, and then the connection's end.
HttpVerdict read_pieces(const std::vector<std::string_view>& pieces) {
    HttpAnswer answer;
    for (const std::string_view piece : pieces) {
        if (auto verdict = answer.put(piece)) return *verdict;
    }
    return answer.end(false);
}

// What is shown of something that is no HTTP depends on how much of it had come.
std::string without_bytes(const HttpVerdict& verdict) {
    return verdict.error.substr(0, verdict.error.find(": '"));
}

// Whole, in two pieces cut anywhere, and byte by byte: the same verdict each time.
HttpVerdict read(std::string_view text) {
    const HttpVerdict whole = read_pieces({text});
    if (const auto at_once = judge_whole_answer(text)) {
        CHECK(at_once->error == whole.error);
        CHECK(at_once->reusable == whole.reusable);
    }
    std::vector<std::string_view> bytes;
    bytes.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
    CHECK(without_bytes(read_pieces(bytes)) == without_bytes(whole));
    for (std::size_t cut = 1; cut < text.size() && text.size() < 2000; ++cut) {
        const HttpVerdict halves = read_pieces({text.substr(0, cut), text.substr(cut)});
        CAPTURE(text);
        CAPTURE(cut);
        CHECK(without_bytes(halves) == without_bytes(whole));
    }
    return whole;
}

std::string error_of(std::string_view text) {
    return read(text).error;
}

}  // namespace

TEST_CASE("a complete 2xx answer is healthy, however it arrives") {
    CHECK(error_of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") == "");
    CHECK(error_of("HTTP/1.1 204 No Content\r\n\r\n") == "");
    CHECK(error_of("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n") != "");  // RFC 9112, 4: the space is required
    CHECK(error_of("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n") == "");
    CHECK(error_of("HTTP/1.0 200 OK\r\n\r\nall of it until the end") == "");
    CHECK(error_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == "");
    CHECK(error_of(
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n") ==
          "");
    CHECK(error_of("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx") == "");
}

TEST_CASE("anything but 2xx is unhealthy, in the words of the answer") {
    CHECK(error_of("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n") ==
          "HTTP 503 Service Unavailable");
    CHECK(error_of("HTTP/1.1 500 \r\nContent-Length: 23\r\n\r\nno database:\r\n  timeout") ==
          "HTTP 500 Internal Server Error: no database: timeout");
    CHECK(
        error_of("HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno \r\n2\r\ndb\r\n0\r\n\r\n") ==
        "HTTP 500 Oops: no db");
    CHECK(error_of("HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>") == "HTTP 404 Not Found");
    CHECK(error_of(std::string_view("HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\na\0b", 42)) ==
          "HTTP 500 Oops");
    CHECK(error_of("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\n\xc3\xa4\xc3\xb6") ==
          "HTTP 500 Oops: \xc3\xa4\xc3\xb6");
    CHECK(error_of("HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n\xc3\xc3") == "HTTP 500 Oops");
    CHECK(error_of("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n") ==
          "HTTP 302 Found, to '/login'");
    CHECK(error_of("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n") ==
          "HTTP 101 Switching Protocols");
    CHECK(error_of("HTTP/1.1 555 \r\nContent-Length: 0\r\n\r\n") == "HTTP 555");
    const std::string longer =
        error_of("HTTP/1.1 500 Oops\r\nContent-Length: 200\r\n\r\n" + std::string(200, 'x'));
    CHECK(longer == "HTTP 500 Oops: " + std::string(80, 'x') + "...");
}

TEST_CASE("an unhealthy status is told even where the rest of the answer is broken") {
    CHECK(error_of("HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nwait") == "HTTP 503 Busy: wait");
    CHECK(error_of("HTTP/1.1 503 Busy\r\nContent-Length: 9999999\r\n\r\n") == "HTTP 503 Busy");
}

TEST_CASE("what is no HTTP is shown, escaped and short") {
    CHECK(error_of(std::string_view("\x16\x03\x01\x00\x02", 5)) ==
          "not an HTTP answer: '\\x16\\x03\\x01\\x00\\x02'");
    CHECK(error_of("SSH-2.0-OpenSSH_9.2\r\n").starts_with("not an HTTP answer: 'S"));
    CHECK(error_of("HTTP/2 200\r\n\r\n").starts_with("not an HTTP answer: 'HTTP/2"));
    CHECK(error_of("HTT") == "not an HTTP answer: 'HTT'");
    CHECK(error_of("HTTP/1.1 2x0 OK\r\n\r\n").starts_with("not an HTTP answer: 'HTTP/1.1 2x0"));
    CHECK(read_pieces({std::string(100, 'x')}).error ==
          "not an HTTP answer: '" + std::string(40, 'x') + "...'");
}

TEST_CASE("a broken header or body is unhealthy") {
    CHECK(error_of("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")
              .starts_with("the answer's header is malformed"));
    CHECK(error_of("HTTP/1.1 200 OK\r\nno colon\r\n\r\n").starts_with("the answer's header is malformed"));
    CHECK(error_of("HTTP/1.1 200 OK\r\nContent-Le") == "connection closed within the answer's header");
    CHECK(error_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour") ==
          "connection closed within the answer's body");
    CHECK(error_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n") ==
          "connection closed within the answer's body");
    CHECK(error_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n0\r\n\r\n")
              .starts_with("the answer's body is malformed"));
}

TEST_CASE("the limits of header and body hold, however the bytes arrive") {
    const std::string header = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: ";
    const std::string fits =
        header + std::string(max_answer_header_bytes - header.size() - 4, 'x') + "\r\n\r\n";
    CHECK(fits.size() == max_answer_header_bytes);
    CHECK(error_of(fits) == "");
    CHECK(error_of(header + 'x' + fits.substr(header.size())) == "answer header over 16 KiB");
    std::string many = "HTTP/1.1 200 OK\r\n";
    while (many.size() < 20'000) many += "Name: value\r\n";
    CHECK(error_of(many) == "answer header over 16 KiB");
    std::string interim;
    while (interim.size() < 20'000) interim += "HTTP/1.1 100 Continue\r\n\r\n";
    CHECK(error_of(interim) == "answer header over 16 KiB");

    const std::string big(max_answer_body_bytes + 1, 'x');
    CHECK(error_of("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n") ==
          "the answer's body is over 1 MiB");
    CHECK(read_pieces({"HTTP/1.1 200 OK\r\n\r\n", big}).error == "the answer's body is over 1 MiB");
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    CHECK(read_pieces({chunked, "100001\r\n"}).error == "the answer's body is over 1 MiB");
    // A chunk header that never ends counts too.
    CHECK(read_pieces({chunked, "1;" + big}).error == "the answer's body is over 1 MiB");
}

TEST_CASE("a connection is kept only where both sides know where the next answer begins") {
    const auto is_reusable = [](std::string_view text) { return read(text).reusable; };
    CHECK(is_reusable("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    CHECK(is_reusable("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno"));
    CHECK(is_reusable("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"));
    CHECK_FALSE(is_reusable("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    CHECK_FALSE(is_reusable("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
    CHECK_FALSE(is_reusable("HTTP/1.1 200 OK\r\n\r\nto the end"));
    CHECK_FALSE(judge_whole_answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP")->reusable);
}

TEST_CASE("a time-out says how far the answer had come") {
    const auto late = [](std::string_view text) {
        HttpAnswer answer;
        REQUIRE_FALSE(answer.put(text).has_value());
        return answer.time_out("2s").error;
    };
    CHECK(late("HTTP/1.1 200 OK\r\nA: b\r\n") == "the answer's header had no end within 2s");
    CHECK(late("HTTP/1.1 200 OK\r\n\r\nand so on") == "the answer's body had no end within 2s");
    CHECK(late("HTT") == "not an HTTP answer within 2s: 'HTT'");
    CHECK(late("HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\nbad") == "HTTP 500 Oops: bad");
}

TEST_CASE("random and damaged bytes have a verdict, and the same one in pieces") {
    std::mt19937 random(20261122);
    const std::vector<std::string> seeds = {
        "",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nb;x=\"y\"\r\nhello world\r\n0\r\nT: "
        "u\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 500 Oops\r\nTransfer-Encoding: gzip, chunked\r\nA: b\r\n c\r\n\r\n0\r\n\r\n"};
    for (int round = 0; round < 1500; ++round) {
        std::string text = seeds[random() % seeds.size()];
        if (text.empty()) text.resize(random() % 64);
        const std::size_t damages = random() % 4;
        const std::string_view likely("\r\n0: ;,5\x00\xff", 10);
        for (std::size_t i = 0; i < damages && !text.empty(); ++i) {
            const std::size_t at = random() % text.size();
            const auto kind = random() % 3;
            if (kind == 0) text[at] = likely[random() % likely.size()];
            if (kind == 1) text.erase(at, 1 + random() % 3);
            if (kind == 2) text.insert(at, 1, static_cast<char>(random()));
        }
        const HttpVerdict whole = read_pieces({text});
        std::vector<std::string_view> pieces;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t length = 1 + random() % 5;
            pieces.push_back(std::string_view(text).substr(at, length));
            at += length;
        }
        const HttpVerdict pieced = read_pieces(pieces);
        CAPTURE(text);
        CAPTURE(whole.error);
        CAPTURE(pieced.error);
        CHECK(pieced.error.empty() == whole.error.empty());
    }
}
