// libFuzzer: requests to the HTTP API, answers to health checks, and URLs. In pieces they mean what they mean
// whole.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/io/admin_url.hpp"
#include "supervisor/io/http_answer.hpp"
#include "supervisor/io/http_query.hpp"
#include "supervisor/io/http_requests.hpp"
#include "tests/fuzz/must.hpp"

using pmctl::test::is_one_line;
using pmctl::test::must;

namespace {

// What a connection was understood to ask, up to its end.
struct Asked {
    std::vector<std::string> requests;
    int refuse = 0;

    bool operator==(const Asked&) const = default;
};

std::string in_one(const pmctl::HttpRequest& request) {
    std::string text = request.head ? "HEAD" : "GET";
    for (const auto& part : {request.path, request.query, request.host, request.forwarded_host,
                             request.user_agent, request.if_none_match, request.last_event_id})
        text.append(1, '\0').append(part);
    return text;
}

Asked ask(std::string_view text, std::size_t piece) {
    pmctl::HttpRequests requests;
    Asked asked;
    std::string bytes;
    while (!text.empty()) {
        bytes += text.substr(0, piece);
        text.remove_prefix(std::min(piece, text.size()));
        // As a connection does: until there is no whole request left.
        while (true) {
            const std::size_t before = bytes.size();
            const auto taken = requests.take(bytes);
            must(bytes.size() <= before);
            if (!taken) break;
            asked.refuse = taken->refuse;
            if (taken->refuse != 0) return asked;
            must(!taken->request.path.empty());
            pmctl::percent_decoded(taken->request.path);
            pmctl::query_value(taken->request.query, "wait");
            pmctl::matches_etag(taken->request.if_none_match, "\"1\"");
            asked.requests.push_back(in_one(taken->request));
            if (!taken->keep_alive) return asked;
        }
    }
    return asked;
}

std::optional<pmctl::HttpVerdict> judged(std::string_view text, std::size_t piece) {
    pmctl::HttpAnswer answer;
    while (!text.empty()) {
        if (auto verdict = answer.put(text.substr(0, piece))) return verdict;
        text.remove_prefix(std::min(piece, text.size()));
    }
    return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    // With an end to the last header: before it, what is wrong may be seen later in pieces. Over the limit of
    // a header either may see first what else is wrong.
    const std::string ended = std::string(text) + "\r\n\r\n";
    const Asked at_once = ask(ended, ended.size());
    const Asked by_and_by = ask(ended, 1 + size % 7);
    must(ended.size() > pmctl::HttpServer::max_header_bytes || at_once == by_and_by);

    const auto whole = judged(text, size + 1);
    const auto pieces = judged(text, 1 + size % 7);
    const auto quick = pmctl::judge_whole_answer(text);
    // What is wrong may be seen later in pieces, never otherwise; what is right is so at the same byte.
    const auto is_healthy = [](const auto& verdict) { return verdict && verdict->error.empty(); };
    must(is_healthy(whole) == is_healthy(pieces));
    if (pieces) must(whole.has_value() && whole->status == pieces->status);
    if (quick) must(whole && quick->status == whole->status && is_healthy(quick) == is_healthy(whole));
    if (whole && !whole->error.empty()) must(is_one_line(whole->error));

    if (const auto url = pmctl::parse_admin_url(text)) {
        const std::string again = (url->is_tls ? "https://" : "http://") + url->authority() + url->prefix;
        const auto parsed = pmctl::parse_admin_url(again);
        must(parsed && *parsed == *url);
    } else {
        must(is_one_line(url.error().message));
    }
    return 0;
}
