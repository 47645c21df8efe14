#include "supervisor/io/json_document.hpp"

#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>

namespace pmctl {

namespace json = boost::json;

namespace {

// Whether there may be more values than that: each but the first of its array or object has a comma before
// it.
bool has_more_values(std::string_view text, std::size_t most) {
    std::size_t count = 1;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') ++i;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == ',' || c == '[' || c == '{') {
            ++count;
        }
    }
    return count > most;
}

}  // namespace

Result<void> parse_json_document(std::string_view text, const JsonLimits& limits, json::value& into) {
    if (has_more_values(text, limits.values))
        return fail("more than " + std::to_string(limits.values) + " values");
    json::parse_options options;
    options.max_depth = limits.depth;
    json::parser parser(into.storage(), options);
    parser.reset(into.storage());
    json::error_code error;
    const std::size_t at = parser.write(text.data(), text.size(), error);
    if (error) return fail(error.message() + " at byte " + std::to_string(at));
    into = parser.release();
    return {};
}

}  // namespace pmctl
