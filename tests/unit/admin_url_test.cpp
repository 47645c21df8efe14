#include "supervisor/io/admin_url.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace pmctl;

TEST_CASE("a URL is taken apart") {
    struct Case {
        std::string text;
        AdminUrl url;
        std::string authority;
    };
    const std::vector<Case> cases = {
        {"http://admin", {false, "admin", 80, ""}, "admin"},
        {"https://admin", {true, "admin", 443, ""}, "admin"},
        {"https://Admin.Internal.:8443", {true, "admin.internal", 8443, ""}, "admin.internal:8443"},
        {"http://admin:443/", {false, "admin", 443, ""}, "admin:443"},
        {"https://admin:443/a/b//", {true, "admin", 443, "/a/b"}, "admin"},
        {"http://127.0.0.1:65535/x", {false, "127.0.0.1", 65535, "/x"}, "127.0.0.1:65535"},
        {"http://[::1]", {false, "::1", 80, ""}, "[::1]"},
        {"https://[fe80::1]:9/%20~", {true, "fe80::1", 9, "/%20~"}, "[fe80::1]:9"},
    };
    for (const Case& each : cases) {
        CAPTURE(each.text);
        const auto url = parse_admin_url(each.text);
        REQUIRE_MESSAGE(url.has_value(), url.error().message);
        CHECK(*url == each.url);
        CHECK(url->authority() == each.authority);
    }
}

TEST_CASE("what is no such URL is refused, and the error says why") {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"", "'': a URL begins with 'http://' or 'https://'"},
        {"admin:80", "'admin:80': a URL begins with 'http://' or 'https://'"},
        {"ftp://admin", "'ftp://admin': a URL begins with 'http://' or 'https://'"},
        {"http://", "'http://': the host is missing"},
        {"http:///x", "'http:///x': the host is missing"},
        {"http://:80", "'http://:80': the host is missing"},
        {"http://a:", "'http://a:': a port is a number from 1 to 65535"},
        {"http://a:0", "'http://a:0': a port is a number from 1 to 65535"},
        {"http://a:65536", "'http://a:65536': a port is a number from 1 to 65535"},
        {"http://a:8o", "'http://a:8o': a port is a number from 1 to 65535"},
        {"http://a b", "'http://a b': the host is no hostname"},
        {"http://a\r\nX: y", "'http://a\\x0d\\x0aX: y': the host is no hostname"},
        {"http://-a", "'http://-a': the host is no hostname"},
        {"http://::1", "'http://::1': an IPv6 address stands in brackets"},
        {"http://fe80::1", "'http://fe80::1': an IPv6 address stands in brackets"},
        {"http://[::1", "'http://[::1': the bracket around the IPv6 address is not closed"},
        {"http://[x]", "'http://[x]': no IPv6 address in brackets"},
        {"http://[]", "'http://[]': no IPv6 address in brackets"},
        {"http://[::1]x", "'http://[::1]x': after the IPv6 address only a port may follow"},
        {"http://[::1]:", "'http://[::1]:': a port is a number from 1 to 65535"},
        {"http://u:hidden@a", "the URL: a user or password has no place in it"},
        {"http://a?x=1", "'http://a?x=1': it may have no query and no fragment"},
        {"http://a/x#y", "'http://a/x#y': it may have no query and no fragment"},
        {"http://a/x y", "'http://a/x y': the path has a character that is not allowed there"},
        {"http://a/\n", "'http://a/\\x0a': the path has a character that is not allowed there"},
    };
    for (const auto& [text, error] : cases) {
        CAPTURE(text);
        const auto url = parse_admin_url(text);
        REQUIRE(!url);
        CHECK(url.error().kind == ErrorKind::Invalid);
        CHECK(url.error().message == error);
    }
}
