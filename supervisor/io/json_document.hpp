// A whole JSON text of a stranger's, checked as such before anything of it is used: RFC 8259, nothing after
// it, UTF-8 throughout, not too deep, not too many values. What has to be in it is the caller's.
#pragma once

#include <cstddef>
#include <string_view>

#include "shared/result.hpp"

namespace boost::json {
class value;
}

namespace pmctl {

struct JsonLimits {
    std::size_t depth = 8;           // objects and arrays within each other
    std::size_t values = 2'000'000;  // 24 bytes of memory each, or more
};

// Into a value that has the memory to be used. Error: Failed, what is wrong and at which byte.
Result<void> parse_json_document(std::string_view text, const JsonLimits& limits, boost::json::value& into);

}  // namespace pmctl
