// What nng's REQ and REP sockets say to each other over its IPC transport: a greeting of eight bytes each
// way, then messages, each a 1, its length in eight bytes, its route and its body. Sources: nng_ipc(7), and
// nanomsg's RFC drafts sp-tcp-mapping-01 (greeting), sp-protocol-ids-01 (the numbers in it) and
// sp-request-reply-01 (the route). What stands in a body is protocol's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pmctl {

using namespace std::string_view_literals;  // for the NULs
constexpr std::string_view requester_greeting = "\0SP\0\0\x30\0\0"sv;
constexpr std::string_view replier_greeting = "\0SP\0\0\x31\0\0"sv;

constexpr std::size_t message_head_bytes = 9;
// Numbers of four bytes, the last of which has its highest bit set: the request's own, behind one for each
// device that it came through. A message with more is dropped: nng_options(5), NNG_OPT_MAXTTL.
constexpr std::size_t most_route_numbers = 8;

// The first message of what came. The views are into it.
struct WireMessage {
    enum class Kind {
        Unfinished,  // there is more to come
        Whole,
        Lost,    // it has been on its way too long: to be left out
        Broken,  // no message, or a longer one than is taken: nothing after it has a meaning
    };
    Kind kind = Kind::Unfinished;
    std::size_t bytes = 0;   // how many it takes; of Whole and Lost
    std::string_view route;  // goes in front of the reply as it is
    std::string_view body;
};

// `most_bytes`: of a message without its head.
WireMessage first_message(std::string_view came, std::size_t most_bytes);

// The head of a message of so many bytes, those of its route counted.
std::array<char, message_head_bytes> message_head(std::uint64_t bytes);

}  // namespace pmctl
