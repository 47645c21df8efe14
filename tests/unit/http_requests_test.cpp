#include "supervisor/io/http_requests.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace pmctl::test {

namespace {

// The paths of what was asked, or the status of a refusal, when so many bytes come at a time.
std::vector<std::string> asked(std::string_view text, std::size_t piece) {
    HttpRequests requests;
    std::vector<std::string> found;
    std::string bytes;
    for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
        bytes += text.substr(0, piece);
        while (const auto taken = requests.take(bytes)) {
            if (taken->refuse != 0) {
                found.push_back(std::to_string(taken->refuse));
                return found;
            }
            found.emplace_back(taken->request.path);
        }
    }
    return found;
}

}  // namespace

TEST_CASE("Empty lines before a request are passed over, however they come") {
    const std::string request = " HTTP/1.1\r\nHost: a\r\n\r\n";
    const std::string text = "\r\n\r\nGET /a" + request + "\r\nGET /b" + request + "GET /c" + request;
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        CAPTURE(piece);
        CHECK(asked(text, piece) == std::vector<std::string>{"/a", "/b", "/c"});
    }
}

TEST_CASE("A carriage return alone is no empty line, and none may stand within a request") {
    const std::string request = " HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const std::string& text : {"\rGET /a" + request, std::string("GET\r\n /a") + request}) {
        for (std::size_t piece = 1; piece <= text.size(); ++piece) {
            CAPTURE(piece);
            CHECK(asked(text, piece) == std::vector<std::string>{"400"});
        }
    }
}

}  // namespace pmctl::test
