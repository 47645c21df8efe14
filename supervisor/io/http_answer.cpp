#include "supervisor/io/http_answer.hpp"

#include <boost/asio/buffer.hpp>
// g++ 12 takes an empty boost::optional for an uninitialised one where it inlines much.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <boost/beast/http/basic_parser.hpp>
#pragma GCC diagnostic pop
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/system/error_code.hpp>

#include "supervisor/io/printable.hpp"

namespace pmctl {

namespace http = boost::beast::http;

namespace {

using boost::beast::error_code;
using BeastText = boost::beast::string_view;

constexpr std::size_t snippet_bytes = 80;        // of the body, location or reason, in a message
constexpr std::size_t min_chunked_rest = 5;      // "0\r\n\r\n"
constexpr std::string_view version = "HTTP/1.";  // what every answer begins with: RFC 9112, section 4

std::string_view view(BeastText text) {
    return {text.data(), text.size()};
}

// Beast's parser, keeping only what a message about an unhealthy answer needs: nothing of a 2xx.
class Parser : public http::basic_parser<false> {
  public:
    Parser() {
        header_limit(max_answer_header_bytes);
        body_limit(std::uint64_t{max_answer_body_bytes});
    }

    int code = 0;
    std::string reason;
    std::string location;
    std::string body;  // its beginning

    bool is_interim() const { return code / 100 == 1 && code != 101; }  // 101 switches protocols: final
    bool is_healthy() const { return code / 100 == 2; }

  private:
    void on_request_impl(http::verb, BeastText, BeastText, int, error_code&) override {}
    void on_response_impl(int status, BeastText phrase, int, error_code&) override {
        code = status;
        if (!is_healthy()) reason = view(phrase.substr(0, snippet_bytes));
    }
    void on_field_impl(http::field name, BeastText, BeastText value, error_code&) override {
        if (code / 100 == 3 && name == http::field::location) location = view(value);
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(BeastText part, error_code&) override { return keep(part); }
    void on_chunk_header_impl(std::uint64_t, BeastText, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, BeastText part, error_code&) override { return keep(part); }
    void on_finish_impl(error_code&) override {}

    std::size_t keep(BeastText part) {
        // A little more than is shown, so that a cut is seen to be one.
        constexpr std::size_t kept = snippet_bytes + 8;
        if (!is_healthy() && body.size() < kept) body += view(part.substr(0, kept - body.size()));
        return part.size();
    }
};

// One final answer, after any number of interim ones, read from bytes that someone else holds.
class Reader {
  public:
    // Takes what it can from the front of `bytes` and removes that. What is left when there is no verdict is
    // to be given again with more behind it.
    std::optional<HttpVerdict> put(std::string_view& bytes);
    HttpVerdict end(std::string_view rest, bool reset);
    HttpVerdict time_out(std::string_view rest, const std::string& limit) const;

  private:
    HttpVerdict failed(std::string what) const;  // the status comes first, if it is an unhealthy one
    HttpVerdict complete(bool is_rest_empty) const;
    HttpVerdict malformed(std::string_view rest, const error_code& error) const;
    std::string status_text() const;
    // Not even "HTTP/1." has come. (Beast may keep a start line back until the header is whole.)
    bool is_too_short(std::string_view rest) const {
        return header_bytes_ == 0 && !rest.empty() && rest.size() < version.size();
    }
    bool is_status_known() const { return parser_->code != 0 && !parser_->is_interim(); }

    std::optional<Parser> parser_{std::in_place};
    std::size_t header_bytes_ = 0;
    std::size_t body_bytes_ = 0;
};

std::optional<HttpVerdict> Reader::put(std::string_view& bytes) {
    while (!bytes.empty()) {
        const bool in_header = !parser_->is_header_done();
        if (in_header && parser_->code == 0 &&
            bytes.substr(0, version.size()) != version.substr(0, bytes.size()))
            return failed("not an HTTP answer: '" + escaped(bytes, 40) + "'");
        // No answer is complete with fewer bytes outstanding, and Beast (1.81) asserts that it gets as many
        // when it resumes at the last chunk.
        if (!in_header && parser_->chunked() && bytes.size() < min_chunked_rest) return std::nullopt;

        error_code error;
        const std::string_view before = bytes;
        bytes.remove_prefix(parser_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error));
        (in_header ? header_bytes_ : body_bytes_) += before.size() - bytes.size();
        const bool starved = error == http::error::need_more;
        const std::size_t waiting = starved ? bytes.size() : 0;

        if (error == http::error::header_limit ||
            header_bytes_ + (in_header ? waiting : 0) > max_answer_header_bytes)
            return failed("answer header over 16 KiB");
        if (error == http::error::body_limit ||
            body_bytes_ + (in_header ? 0 : waiting) > max_answer_body_bytes)
            return failed("the answer's body is over 1 MiB");
        if (starved) return std::nullopt;
        if (error) return malformed(before, error);
        if (!parser_->is_done()) continue;
        if (!parser_->is_interim()) return complete(bytes.empty());
        parser_.emplace();
    }
    return std::nullopt;
}

HttpVerdict Reader::failed(std::string what) const {
    HttpVerdict verdict;
    verdict.status = parser_->code;
    verdict.error = is_status_known() && !parser_->is_healthy() ? status_text() : std::move(what);
    return verdict;
}

HttpVerdict Reader::complete(bool is_rest_empty) const {
    HttpVerdict verdict;
    verdict.status = parser_->code;
    // What comes after a complete answer was not asked for: no telling what the next answer would be.
    verdict.reusable = is_rest_empty && parser_->keep_alive() && parser_->code != 101;
    if (!parser_->is_healthy()) verdict.error = status_text();
    return verdict;
}

HttpVerdict Reader::malformed(std::string_view rest, const error_code& error) const {
    if (parser_->code == 0) return failed("not an HTTP answer: '" + escaped(rest, 40) + "'");
    const char* part = parser_->is_header_done() ? "body" : "header";
    return failed(std::string("the answer's ") + part + " is malformed (" + error.message() + ")");
}

std::string Reader::status_text() const {
    std::string text = "HTTP " + std::to_string(parser_->code);
    std::string reason = short_text(parser_->reason, snippet_bytes);
    if (reason.empty()) {
        const auto known = http::int_to_status(static_cast<unsigned>(parser_->code));
        if (known != http::status::unknown) reason = view(http::obsolete_reason(known));
    }
    if (!reason.empty()) text += ' ' + reason;
    if (parser_->code / 100 == 3 && !parser_->location.empty())
        return text + ", to '" + escaped(parser_->location, snippet_bytes) + "'";
    const std::string body = short_text(parser_->body, snippet_bytes);
    if (!body.empty()) text += ": " + body;
    return text;
}

HttpVerdict Reader::end(std::string_view rest, bool reset) {
    const char* how = reset ? "connection reset" : "connection closed";
    if (!parser_->is_header_done()) {
        // "HTT" and the end is as little an answer as any other three bytes.
        if (is_too_short(rest)) return failed("not an HTTP answer: '" + escaped(rest, 40) + "'");
        return failed(std::string(how) + " within the answer's header");
    }
    error_code error;
    if (!reset) parser_->put_eof(error);
    if (reset || error) return failed(std::string(how) + " within the answer's body");
    return complete(true);
}

HttpVerdict Reader::time_out(std::string_view rest, const std::string& limit) const {
    if (parser_->is_header_done()) return failed("the answer's body had no end within " + limit);
    if (is_too_short(rest))
        return failed("not an HTTP answer within " + limit + ": '" + escaped(rest, 40) + "'");
    return failed("the answer's header had no end within " + limit);
}

}  // namespace

std::optional<HttpVerdict> judge_whole_answer(std::string_view bytes) {
    return Reader().put(bytes);
}

struct HttpAnswer::Inner {
    Reader reader;
    std::string rest;  // what the reader could not take yet
};

HttpAnswer::HttpAnswer() : inner_(std::make_unique<Inner>()) {}
HttpAnswer::~HttpAnswer() = default;

std::optional<HttpVerdict> HttpAnswer::put(std::string_view bytes) {
    if (!inner_->rest.empty()) bytes = inner_->rest.append(bytes);
    auto verdict = inner_->reader.put(bytes);
    if (!verdict) inner_->rest = std::string(bytes);
    return verdict;
}

HttpVerdict HttpAnswer::end(bool reset) {
    return inner_->reader.end(inner_->rest, reset);
}

HttpVerdict HttpAnswer::time_out(const std::string& limit) const {
    return inner_->reader.time_out(inner_->rest, limit);
}

}  // namespace pmctl
