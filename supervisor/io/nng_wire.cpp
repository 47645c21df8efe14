#include "supervisor/io/nng_wire.hpp"

namespace pmctl {

namespace {

constexpr char message_type = 1;
constexpr std::size_t number_bytes = 4;
constexpr unsigned last_number = 0x80;  // in the first byte of it

std::uint64_t length_in(std::string_view head) {
    std::uint64_t length = 0;
    for (const char byte : head.substr(1, message_head_bytes - 1))
        length = length << 8 | static_cast<unsigned char>(byte);
    return length;
}

}  // namespace

WireMessage first_message(std::string_view came, std::size_t most_bytes) {
    using Kind = WireMessage::Kind;
    WireMessage found;
    if (!came.empty() && came.front() != message_type) found.kind = Kind::Broken;
    if (found.kind == Kind::Broken || came.size() < message_head_bytes) return found;
    const std::uint64_t length = length_in(came);
    if (length > most_bytes) {
        found.kind = Kind::Broken;
        return found;
    }
    if (came.size() - message_head_bytes < length) return found;
    found.bytes = message_head_bytes + length;
    const std::string_view content = came.substr(message_head_bytes, length);
    for (std::size_t numbers = 1; numbers <= most_route_numbers; ++numbers) {
        const std::size_t end = numbers * number_bytes;
        if (content.size() < end) {
            found.kind = Kind::Broken;
            return found;
        }
        if ((static_cast<unsigned char>(content[end - number_bytes]) & last_number) == 0) continue;
        found.kind = Kind::Whole;
        found.route = content.substr(0, end);
        found.body = content.substr(end);
        return found;
    }
    found.kind = Kind::Lost;
    return found;
}

std::array<char, message_head_bytes> message_head(std::uint64_t bytes) {
    std::array<char, message_head_bytes> head{message_type};
    for (std::size_t i = message_head_bytes - 1; i > 0; --i, bytes >>= 8)
        head.at(i) = static_cast<char>(bytes & 0xff);
    return head;
}

}  // namespace pmctl
