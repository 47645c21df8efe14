// `pmctl-demo-admin serve`: listens, hands connections to sessions, hears of changes of the store, and ends
// by TERM or INT.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shared/result.hpp"
#include "shared/time.hpp"
#include "tests/tools/demo_admin_service.hpp"

namespace pmctl {

struct ServeOptions {
    std::string db;
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0: one that is free, said in the first line
    DemoRules rules;
    std::string tls_cert;  // PEM files; "": plain HTTP
    std::string tls_key;
    Duration hold = std::chrono::seconds(50);
    std::optional<std::string> faults;  // none: those that the store says
};

// Until TERM. Error: what kept it from listening.
Result<void> serve(const ServeOptions& options);

}  // namespace pmctl
