// libFuzzer: whatever comes on the control socket is a request or a refusal that can be sent; a request, and
// a reply, that was understood is the same after it was written and read again.
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/protocol.hpp"
#include "tests/fuzz/must.hpp"

using pmctl::test::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto incoming = pmctl::parse_request(text)) {
        const auto again = pmctl::parse_request(pmctl::to_text(incoming->id, incoming->request));
        must(again && again->id == incoming->id);
        // Bytes that are no UTF-8 become U+FFFD when they are written: from then on nothing changes.
        const std::string written = pmctl::to_text(again->id, again->request);
        const auto third = pmctl::parse_request(written);
        must(third && pmctl::to_text(third->id, third->request) == written);
        must(!pmctl::name_of(incoming->request).empty());
        must(pmctl::wait_of(incoming->request) >= pmctl::Duration::zero());
    } else {
        must(!incoming.error().message.empty());
        must(!pmctl::to_text(incoming.error()).empty());
    }
    if (const auto reply = pmctl::parse_reply(text, 1)) {
        const auto again = pmctl::parse_reply(pmctl::to_text(1, *reply), 1);
        must(again.has_value() && again->index() == reply->index());
        const std::string written = pmctl::to_text(1, *again);
        const auto third = pmctl::parse_reply(written, 1);
        must(third && pmctl::to_text(1, *third) == written);
    } else {
        must(!reply.error().message.empty());
    }
    return 0;
}
