#include "supervisor/io/http_requests.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <utility>

namespace pmctl {

namespace {

namespace http = boost::beast::http;

std::string_view view(boost::beast::string_view text) {
    return {text.data(), text.size()};
}

}  // namespace

struct HttpRequests::Parser {
    std::optional<http::request_parser<http::empty_body>> parser;
    bool taken = false;  // the caller has had it
    bool begun = false;  // some of it was read
};

HttpRequests::HttpRequests() : parser_(std::make_unique<Parser>()) {}
HttpRequests::~HttpRequests() = default;

std::optional<HttpRequests::Taken> HttpRequests::take(std::string& bytes) {
    auto& parser = parser_->parser;
    if (!parser || std::exchange(parser_->taken, false)) {
        parser.emplace();
        parser->header_limit(HttpServer::max_header_bytes);
        parser_->begun = false;
    }
    if (!parser_->begun) {
        // RFC 9112, section 2.2: an empty line before the request line is to be ignored. It may come in two
        // pieces, and after the parser was made ready.
        std::size_t empty = 0;
        while (bytes.compare(empty, 2, "\r\n") == 0) empty += 2;
        bytes.erase(0, empty);
        if (bytes.empty() || bytes == "\r") return std::nullopt;
    }
    boost::beast::error_code error;
    std::size_t used = 0;
    while (!parser->is_header_done() && !error && used < bytes.size()) {
        const std::size_t count =
            parser->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
        used += count;
        if (count == 0) break;
    }
    bytes.erase(0, used);
    parser_->begun = parser_->begun || used > 0;
    const bool more = error == http::error::need_more || (!error && !parser->is_header_done());
    if (more && bytes.size() <= HttpServer::max_header_bytes) return std::nullopt;
    parser_->taken = true;
    Taken taken;
    taken.keep_alive = false;
    if (more || error == http::error::header_limit || error == http::error::buffer_overflow) {
        taken.refuse = 431;
        taken.why = "the request's header is over 16 KiB";
        return taken;
    }
    if (error) {
        taken.refuse = 400;
        taken.why = "that is no HTTP/1.1 request";
        return taken;
    }
    const auto& message = parser->get();
    taken.request.head = message.method() == http::verb::head;
    if (message.method() != http::verb::get && !taken.request.head) {
        taken.refuse = 405;
        taken.why = "this API is read-only: GET and HEAD";
        return taken;
    }
    if (parser->chunked() || parser->content_length().value_or(0) != 0) {
        taken.refuse = 413;
        taken.why = "a request has no body here";
        return taken;
    }
    std::string_view target = view(message.target());
    // RFC 9112, section 3.2.2: as to a proxy. What it names there counts, not Host.
    constexpr std::string_view scheme = "http://";
    std::string_view authority;
    if (target.starts_with(scheme)) {
        target.remove_prefix(scheme.size());
        authority = target.substr(0, target.find_first_of("/?"));
        target.remove_prefix(authority.size());
        if (!target.starts_with('/')) target = "/";
    }
    if (!target.starts_with('/')) {
        taken.refuse = 400;
        taken.why = "the request's target is no path";
        return taken;
    }
    const auto question = target.find('?');
    taken.request.path = target.substr(0, question);
    if (question != std::string_view::npos) taken.request.query = target.substr(question + 1);
    const auto field = [&](const auto& name) {
        const auto found = message.find(name);
        return found == message.end() ? std::string_view() : view(found->value());
    };
    taken.request.host = authority.empty() ? field(http::field::host) : authority;
    taken.request.forwarded_host = field("X-Forwarded-Host");
    taken.request.user_agent = field(http::field::user_agent);
    taken.request.if_none_match = field(http::field::if_none_match);
    taken.request.last_event_id = field("Last-Event-ID");
    // RFC 9112, section 3.2.
    if (message.version() >= 11 && message.count(http::field::host) != 1) {
        taken.refuse = 400;
        taken.why = "a request has one Host field";
        return taken;
    }
    taken.keep_alive = message.keep_alive();
    return taken;
}

}  // namespace pmctl
