// Whom a client believes that it is the service: the certificates to trust, the name to be in the service's
// own, and in words why one was not believed. The handshake itself is the connection's.
#pragma once

#include <memory>
#include <string>

#include "shared/result.hpp"

struct ssl_st;
struct x509_store_ctx_st;

namespace boost::asio::ssl {
class context;
}

namespace pmctl {

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

// For clients, TLS 1.2 and up. `ca_text`: PEM, the only ones to be trusted, which need not be self-signed;
// "": the system's. `insecure`: no certificate is looked at. Error: Invalid, there is no certificate in
// `ca_text`, or one that cannot be read.
Result<TlsContext> make_tls_context(const std::string& ca_text, bool insecure);

// What the connection asks for (SNI, RFC 6066: names alone), and what the certificate must be valid for: a
// hostname or an IP address.
void expect_host(ssl_st* connection, const std::string& host);

// Of a verification that has failed: "certificate: self-signed certificate in certificate chain", "the
// certificate is for 'other.name', not for 'admin.internal'".
std::string certificate_fault(x509_store_ctx_st* verification, const std::string& host);

}  // namespace pmctl
