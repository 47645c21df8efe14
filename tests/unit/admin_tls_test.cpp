#include "tests/unit/admin_client_fixture.hpp"

using namespace pmctl;
using namespace pmctl::test;
using Kind = AdminResult::Kind;
using Peer = ScriptedService::Peer;

namespace {

const std::string one_entry = R"({"applications":[{"instanceId":"a","appId":"shop"}]})";

struct TlsTest : AdminClientTest {
    CertificateFolder folder;
    CertificateParts authority = make_certificate("our authority", "", nullptr);

    void trust(const CertificateParts& parts) {
        access.ca_file = folder.certificate(parts);
        set();
    }
    // Of one fetch from a service with this certificate.
    AdminResult fetch_from(const CertificateParts& certificate, const std::string& host = "127.0.0.1") {
        ScriptedService service(
            loop, [](Peer& peer) { peer.send(reply_text("200 OK", one_entry)); }, &certificate);
        const AdminResult result = fetch(service.url(host));
        CHECK(service.requests == (result.kind == Kind::Answer ? 1 : 0));
        return result;
    }
};

}  // namespace

TEST_CASE("a service that the private authority vouches for is believed, by name and by address") {
    TlsTest test;
    test.trust(test.authority);
    const auto certificate = make_certificate("x", "DNS:localhost,IP:127.0.0.1", &test.authority);
    CHECK(test.fetch_from(certificate).kind == Kind::Answer);
    CHECK(test.fetch_from(certificate, "localhost").kind == Kind::Answer);
}

TEST_CASE("TLS connections are kept alive, and die without harm") {
    TlsTest test;
    test.trust(test.authority);
    const auto certificate = make_certificate("x", "IP:127.0.0.1", &test.authority);
    ScriptedService service(
        test.loop,
        [](Peer& peer) {
            if (peer.number == 2 && peer.requests == 2) return peer.close();
            peer.send(peer.target().starts_with("/api/poll") ? reply_text("304 Not Modified", "nothing came")
                                                             : reply_text("200 OK", one_entry));
        },
        &certificate);
    for (int i = 0; i < 3; ++i) CHECK(test.fetch(service.url()).kind == Kind::Answer);
    CHECK(service.connections == 1);
    for (int i = 0; i < 3; ++i) CHECK(test.poll(service.url()).kind == Kind::NotModified);
    CHECK(service.connections == 3);
    service.peer(1)->close();
    test.settle();
    CHECK(test.fetch(service.url()).kind == Kind::Answer);
    CHECK(service.connections == 4);
}

TEST_CASE("the service's own certificate may be the one that is trusted") {
    TlsTest test;
    const auto own = make_certificate("x", "IP:127.0.0.1", nullptr);
    test.trust(own);
    CHECK(test.fetch_from(own).kind == Kind::Answer);
    const auto vouched_for = make_certificate("y", "IP:127.0.0.1", &test.authority);
    test.trust(vouched_for);
    CHECK(test.fetch_from(vouched_for).kind == Kind::Answer);
}

TEST_CASE("a service that nobody trusted vouches for is not told the secret") {
    TlsTest test;
    const auto stranger = make_certificate("somebody else", "", nullptr);
    const auto certificate = make_certificate("x", "IP:127.0.0.1", &stranger);
    const auto alone = make_certificate("x", "IP:127.0.0.1", nullptr);
    test.trust(test.authority);
    CHECK(test.fetch_from(certificate).error == "certificate: unable to get local issuer certificate");
    CHECK(test.fetch_from(alone).error == "certificate: self-signed certificate");
    test.access.ca_file.clear();  // the system's
    test.set();
    CHECK(test.fetch_from(certificate).error == "certificate: unable to get local issuer certificate");
    test.access.insecure = true;
    test.set();
    CHECK(test.fetch_from(certificate).kind == Kind::Answer);
    CHECK(test.fetch_from(certificate, "localhost").kind == Kind::Answer);
}

TEST_CASE("a certificate that has ended is not believed") {
    TlsTest test;
    test.trust(test.authority);
    CHECK(test.fetch_from(make_certificate("x", "IP:127.0.0.1", &test.authority, -1)).error ==
          "certificate: certificate has expired");
}

TEST_CASE("a certificate for another name is not believed, and the error says for which") {
    TlsTest test;
    test.trust(test.authority);
    CHECK(test.fetch_from(make_certificate("x", "DNS:other.name", &test.authority), "localhost").error ==
          "the certificate is for 'other.name', not for 'localhost'");
    CHECK(test.fetch_from(make_certificate("x", "DNS:a,DNS:b,IP:::1,IP:10.1.2.3,DNS:e", &test.authority))
              .error == "the certificate is for 'a', 'b', '::1' and 2 more, not for '127.0.0.1'");
    CHECK(test.fetch_from(make_certificate("x", "DNS:*.localhost", &test.authority), "localhost").error ==
          "the certificate is for '*.localhost', not for 'localhost'");
    CHECK(test.fetch_from(make_certificate("127.0.0.1", "email:a@b.c", &test.authority)).error ==
          "the certificate is for '127.0.0.1', not for '127.0.0.1'");
}

TEST_CASE("another text in the same ca_file counts from the next set on") {
    TlsTest test;
    test.trust(test.authority);
    const auto next = make_certificate("our next authority", "", nullptr);
    const auto certificate = make_certificate("x", "IP:127.0.0.1", &next);
    CHECK(test.fetch_from(certificate).kind == Kind::Failed);
    std::filesystem::copy_file(test.folder.certificate(next), test.access.ca_file,
                               std::filesystem::copy_options::overwrite_existing);
    CHECK(test.fetch_from(certificate).kind == Kind::Failed);
    test.set();
    CHECK(test.fetch_from(certificate).kind == Kind::Answer);
}

TEST_CASE("what speaks no TLS, or only an old one, is said to") {
    TlsTest test;
    test.trust(test.authority);
    ScriptedService plain(test.loop, [](Peer& peer) { peer.send("never"); });
    const auto number = test.begin_fetch("https://127.0.0.1:" + plain.port, std::chrono::seconds(20));
    // It answers the client's greeting as if it were a request.
    while (plain.connections == 0) {
        test.loop.context().restart();
        test.loop.context().run_one();
    }
    plain.peer(1)->send("HTTP/1.1 400 Bad Request\r\n\r\n", true);
    CHECK(test.await(number).error == "TLS: what answers there speaks no TLS");

    const auto certificate = make_certificate("x", "IP:127.0.0.1", &test.authority);
    ScriptedService old(test.loop, [](Peer&) {}, &certificate);
    SSL_CTX_set_min_proto_version(old.tls().native_handle(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(old.tls().native_handle(), TLS1_1_VERSION);
    SSL_CTX_set_security_level(old.tls().native_handle(), 0);
    const AdminResult refused = test.fetch(old.url());
    CHECK(refused.error == "TLS: the service speaks only versions before 1.2");

    ScriptedService closing(test.loop, [](Peer&) {}, &certificate);
    const auto cut = test.begin_fetch(closing.url());
    while (closing.connections == 0) {
        test.loop.context().restart();
        test.loop.context().run_one();
    }
    closing.peer(1)->close();
    CHECK(test.await(cut).error == "the connection was closed in the TLS handshake");
}

TEST_CASE("an answer whose end is the connection's is not believed where TLS does not confirm the end") {
    TlsTest test;
    test.trust(test.authority);
    const auto certificate = make_certificate("x", "IP:127.0.0.1", &test.authority);
    ScriptedService service(
        test.loop, [](Peer& peer) { peer.send("HTTP/1.0 200 OK\r\n\r\n{\"applications\":[]}", true); },
        &certificate);
    CHECK(test.fetch(service.url()).error == "the answer was cut off");
}
