#include "supervisor/io/tls_trust.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <string_view>

#include "supervisor/io/printable.hpp"

namespace pmctl {

namespace asio = boost::asio;

namespace {

constexpr std::size_t most_names = 3;  // of a certificate, in a message

std::string address_text(const ASN1_OCTET_STRING* bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
    if (family == AF_INET6 && ASN1_STRING_length(bytes) != 16) return {};
    const char* shown =
        ::inet_ntop(family, ASN1_STRING_get0_data(bytes), text.data(), static_cast<socklen_t>(text.size()));
    return shown == nullptr ? std::string() : shown;
}

// Its subjectAltName (RFC 6125), without one its common name; "" where it has neither.
std::string names_of(X509* certificate) {
    std::string text;
    std::size_t count = 0;
    const auto add = [&](const std::string& name) {
        if (name.empty()) return;
        if (++count <= most_names) text += (text.empty() ? "'" : ", '") + name + "'";
    };
    const auto plain = [](const ASN1_STRING* string) {
        return escaped({reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                        static_cast<std::size_t>(ASN1_STRING_length(string))},
                       100);
    };
    auto* names =
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) add(plain(name->d.dNSName));
        if (name->type == GEN_IPADD) add(address_text(name->d.iPAddress));
    }
    GENERAL_NAMES_free(names);
    if (count == 0) {
        X509_NAME* subject = X509_get_subject_name(certificate);
        const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
        if (at >= 0) add(plain(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
    }
    if (count > most_names) text += " and " + std::to_string(count - most_names) + " more";
    return text;
}

bool is_address(const std::string& host) {
    in6_addr ignored{};
    return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

}  // namespace

Result<TlsContext> make_tls_context(const std::string& ca_text, bool insecure) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    SSL_CTX* native = context->native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
    if (insecure) {
        SSL_CTX_set_verify(native, SSL_VERIFY_NONE, nullptr);
        return context;
    }
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
    if (ca_text.empty()) {
        SSL_CTX_set_default_verify_paths(native);
        return context;
    }
    boost::system::error_code error;
    context->add_certificate_authority(asio::buffer(ca_text), error);
    if (error) {
        const bool is_none = ca_text.find("-----BEGIN ") == std::string::npos;
        return fail(ErrorKind::Invalid, is_none ? "holds no certificate (PEM)"
                                                : "a certificate cannot be read: " + error.message());
    }
    // Whom the file names is trusted, be it an authority, one below another, or the service's own
    // certificate.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(native), X509_V_FLAG_PARTIAL_CHAIN);
    return context;
}

void expect_host(ssl_st* connection, const std::string& host) {
    X509_VERIFY_PARAM* rules = SSL_get0_param(connection);
    if (is_address(host)) {
        X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str());
        return;
    }
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set1_host(rules, host.data(), host.size());
    SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host.c_str()));
}

std::string certificate_fault(x509_store_ctx_st* verification, const std::string& host) {
    const int error = X509_STORE_CTX_get_error(verification);
    X509* certificate = X509_STORE_CTX_get_current_cert(verification);
    const bool is_name = error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
    const std::string names = is_name && certificate != nullptr ? names_of(certificate) : std::string();
    if (!names.empty()) return "the certificate is for " + names + ", not for '" + host + "'";
    return std::string("certificate: ") + X509_verify_cert_error_string(error);
}

}  // namespace pmctl
