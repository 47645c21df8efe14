#include "supervisor/io/admin_url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "supervisor/core/names.hpp"
#include "supervisor/io/printable.hpp"

namespace pmctl {

namespace {

std::optional<std::uint16_t> port_of(std::string_view digits) {
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size() || number == 0) return std::nullopt;
    return number;
}

// What may stand in a path: RFC 3986, section 3.3.
bool is_path_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~!$&'()*+,;=:@%/").find(c) != std::string_view::npos;
}

}  // namespace

std::string AdminUrl::authority() const {
    const bool is_v6 = host.find(':') != std::string::npos;
    std::string text = is_v6 ? '[' + host + ']' : host;
    if (port != (is_tls ? 443 : 80)) text += ':' + std::to_string(port);
    return text;
}

Result<AdminUrl> parse_admin_url(std::string_view text) {
    const auto bad = [text](const std::string& what) {
        // Not the text itself where it may hold a password.
        const bool is_shown = text.find('@') == std::string_view::npos;
        return fail(ErrorKind::Invalid, (is_shown ? "'" + escaped(text, 200) + "': " : "the URL: ") + what);
    };
    AdminUrl url;
    if (text.starts_with("https://")) {
        url.is_tls = true;
    } else if (!text.starts_with("http://")) {
        return bad("a URL begins with 'http://' or 'https://'");
    }
    std::string_view rest = text.substr(url.is_tls ? 8 : 7);
    url.port = url.is_tls ? 443 : 80;
    const std::size_t host_end = std::min(rest.find_first_of("/?#"), rest.size());
    std::string_view host = rest.substr(0, host_end);
    rest.remove_prefix(host_end);

    if (host.find('@') != std::string_view::npos) return bad("a user or password has no place in it");
    if (rest.find_first_of("?#") != std::string_view::npos)
        return bad("it may have no query and no fragment");
    std::string_view port;
    bool has_port = false;
    if (host.starts_with('[')) {
        const std::size_t close = host.find(']');
        if (close == std::string_view::npos) return bad("the bracket around the IPv6 address is not closed");
        url.host = host.substr(1, close - 1);
        in6_addr ignored{};
        if (::inet_pton(AF_INET6, url.host.c_str(), &ignored) != 1) return bad("no IPv6 address in brackets");
        port = host.substr(close + 1);
        has_port = port.starts_with(':');
        if (!port.empty() && !has_port) return bad("after the IPv6 address only a port may follow");
        if (has_port) port.remove_prefix(1);
    } else {
        const std::size_t colon = host.find(':');
        has_port = colon != std::string_view::npos;
        if (has_port) port = host.substr(colon + 1);
        const std::string_view name = host.substr(0, colon);
        if (port.find(':') != std::string_view::npos) return bad("an IPv6 address stands in brackets");
        if (name.empty()) return bad("the host is missing");
        const auto canonical = hostname_of(name);
        if (!canonical) return bad("the host is no hostname");
        url.host = *canonical;
    }
    if (has_port) {
        const auto number = port_of(port);
        if (!number) return bad("a port is a number from 1 to 65535");
        url.port = *number;
    }
    if (!std::all_of(rest.begin(), rest.end(), is_path_char))
        return bad("the path has a character that is not allowed there");
    while (rest.ends_with('/')) rest.remove_suffix(1);
    url.prefix = rest;
    return url;
}

}  // namespace pmctl
