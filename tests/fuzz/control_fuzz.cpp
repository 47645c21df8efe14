// libFuzzer: whatever comes on the control socket is a request or a refusal that can be sent; a request, and
// a reply, that was understood is the same after it was written and read again. And messages are taken from
// it one by one, each in as many bytes as it says.
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/protocol.hpp"
#include "supervisor/io/nng_wire.hpp"
#include "tests/fuzz/must.hpp"

using pmctl::test::must;

namespace {

void take_messages(std::string_view rest) {
    using Kind = pmctl::WireMessage::Kind;
    constexpr std::size_t most_bytes = 1000;
    while (true) {
        const pmctl::WireMessage found = pmctl::first_message(rest, most_bytes);
        if (found.kind == Kind::Unfinished || found.kind == Kind::Broken) return;
        must(found.bytes > pmctl::message_head_bytes && found.bytes <= rest.size());
        if (found.kind == Kind::Whole) {
            must(found.route.size() >= 4 && found.route.size() <= 4 * pmctl::most_route_numbers);
            const auto head = pmctl::message_head(found.route.size() + found.body.size());
            std::string again(head.data(), head.size());
            again.append(found.route).append(found.body);
            must(again == rest.substr(0, found.bytes));
        }
        rest.remove_prefix(found.bytes);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    take_messages(text);
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
