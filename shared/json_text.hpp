// Writes JSON text piece by piece, with nothing between the caller's values and the string. Reading JSON is
// protocol's; what the keys are is the caller's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pmctl {

// The length of the valid UTF-8 sequence at the start of `text`, 0 where there is none: RFC 3629.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);

std::string to_base64(std::string_view bytes);               // RFC 4648, with padding
bool from_base64(std::string_view text, std::string& into);  // false: no base64

class JsonWriter {
  public:
    explicit JsonWriter(std::string& out) : out_(out) {}

    void begin_object() { open('{'); }
    void end_object() { close('}'); }
    void begin_array() { open('['); }
    void end_array() { close(']'); }
    void key(std::string_view name);
    void string(std::string_view text);  // what is no UTF-8 becomes U+FFFD
    void string_or_null(std::string_view text);
    void number(std::int64_t value);
    void number(std::uint64_t value);
    void milliseconds(std::int64_t nanoseconds);  // with microseconds as decimals: 1.25
    void real(double value);                      // finite; the shortest text that reads as this value
    void boolean(bool value);
    void null();

  private:
    void open(char bracket);
    void close(char bracket);
    void separate();

    std::string& out_;
    bool comma_ = false;
};

}  // namespace pmctl
