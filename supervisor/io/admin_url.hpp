// The admin service's URL in its parts. Who is asked for what below it is admin_client's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/result.hpp"

namespace pmctl {

struct AdminUrl {
    bool is_tls = false;
    std::string host;  // without brackets
    std::uint16_t port = 0;
    std::string prefix;  // "" or "/path" without a slash at its end

    // For the Host header: brackets around an IPv6 address, the port where it is not the scheme's own.
    std::string authority() const;

    bool operator==(const AdminUrl&) const = default;
};

// "http://HOST[:PORT][/PREFIX]" or "https://…": RFC 3986 with no user, no query and no fragment; HOST is a
// name, an IPv4 address or an IPv6 address in brackets. Error: Invalid, one line, what is wrong.
Result<AdminUrl> parse_admin_url(std::string_view text);

}  // namespace pmctl
