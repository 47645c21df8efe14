#include "supervisor/io/http_words.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/http/error.hpp>

namespace pmctl {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

std::string first_lower(std::string text) {
    // "Connection refused", but not "EOF" or "IO".
    if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
        text[0] = static_cast<char>(text[0] - 'A' + 'a');
    return text;
}

std::string http_words(const boost::system::error_code& error) {
    if (error == http::error::end_of_stream) return "the connection was closed without an answer";
    if (error == http::error::partial_message) return "the answer was cut off";
    if (error == http::error::header_limit) return "the answer's header is over 16 KiB";
    if (error == http::error::body_limit) return "the answer is over 16 MiB";
    return "the answer is no HTTP: " + error.message();
}

std::string tls_words(const boost::system::error_code& error) {
    const auto code = static_cast<unsigned long>(error.value());
    switch (ERR_GET_REASON(code)) {
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_HTTP_REQUEST: return "TLS: what answers there speaks no TLS";
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return "TLS: the service speaks only versions before 1.2";
        default: break;
    }
    const char* reason = ERR_reason_error_string(code);
    return std::string("TLS: ") + (reason != nullptr ? reason : error.message());
}

}  // namespace

std::string words_of(const boost::system::error_code& error) {
    if (error.category() == http::make_error_code(http::error::end_of_stream).category())
        return http_words(error);
    if (error == asio::ssl::error::stream_truncated || error == asio::error::eof)
        return "the answer was cut off";
    if (error.category() == asio::error::get_ssl_category()) return tls_words(error);
    if (error == asio::error::host_not_found || error == asio::error::no_data) return "no such host";
    if (error == asio::error::host_not_found_try_again) return "the name service does not answer";
    if (error == asio::error::connection_reset || error == asio::error::broken_pipe)
        return "connection reset";
    return first_lower(error.message());
}

}  // namespace pmctl
