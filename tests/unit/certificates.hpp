// Certificates made while a test runs, in a folder that goes with it: an authority, and whom it vouches for.
#pragma once

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

namespace pmctl::test {

struct CertificateParts {
    std::shared_ptr<EVP_PKEY> key;
    std::shared_ptr<X509> certificate;
};

// `names` as in a configuration of OpenSSL's: "DNS:localhost,IP:127.0.0.1"; "": an authority. `issuer`:
// itself where it is null. `days`: until it ends.
inline CertificateParts make_certificate(const std::string& common_name, const std::string& names,
                                         const CertificateParts* issuer, int days = 1) {
    static long serial = 0;
    CertificateParts made{{EVP_EC_gen("P-256"), EVP_PKEY_free}, {X509_new(), X509_free}};
    REQUIRE(made.key);
    X509* const x509 = made.certificate.get();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), -10L * 24 * 3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), days * 24L * 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
    X509_set_pubkey(x509, made.key.get());
    const CertificateParts& by = issuer != nullptr ? *issuer : made;
    X509_set_issuer_name(x509, X509_get_subject_name(by.certificate.get()));
    const auto extend = [&](int kind, const std::string& text) {
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, text.c_str());
        REQUIRE(extension != nullptr);
        X509_add_ext(x509, extension, -1);
        X509_EXTENSION_free(extension);
    };
    if (names.empty()) {
        extend(NID_basic_constraints, "critical,CA:TRUE");
        extend(NID_key_usage, "critical,keyCertSign");
    } else {
        extend(NID_subject_alt_name, names);
    }
    REQUIRE(X509_sign(x509, by.key.get(), EVP_sha256()) > 0);
    return made;
}

class CertificateFolder {
  public:
    CertificateFolder() {
        char name[] = "/tmp/pmctl-certificates-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path_ = name;
    }
    ~CertificateFolder() { std::filesystem::remove_all(path_); }
    CertificateFolder(const CertificateFolder&) = delete;
    CertificateFolder& operator=(const CertificateFolder&) = delete;

    // The path of a new file.
    std::string certificate(const CertificateParts& parts) {
        return written([&](std::FILE* file) { PEM_write_X509(file, parts.certificate.get()); });
    }
    std::string key(const CertificateParts& parts) {
        return written([&](std::FILE* file) {
            PEM_write_PrivateKey(file, parts.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
    }
    std::string text(const std::string& text) {
        return written([&](std::FILE* file) { std::fputs(text.c_str(), file); });
    }

  private:
    template <class Write>
    std::string written(Write write) {
        std::string path = path_ + '/' + std::to_string(++count_) + ".pem";
        std::FILE* file = std::fopen(path.c_str(), "w");
        REQUIRE(file != nullptr);
        write(file);
        std::fclose(file);
        return path;
    }

    std::string path_;
    int count_ = 0;
};

}  // namespace pmctl::test
