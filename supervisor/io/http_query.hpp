// The parts of a request's target: RFC 3986.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pmctl {

// "%2F" → "/"; nothing for what is no percent-encoding.
std::optional<std::string> percent_decoded(std::string_view text);
// The value of `key` in "a=1&b=2", decoded; "" for one without "="; nothing where it is not there.
std::optional<std::string> query_value(std::string_view query, std::string_view key);
// Does If-None-Match (RFC 9110, section 13.1.2) name this tag? `etag` with its quotes.
bool matches_etag(std::string_view if_none_match, std::string_view etag);

}  // namespace pmctl
