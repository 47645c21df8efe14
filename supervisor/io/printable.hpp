// Bytes of a stranger's, made fit to be shown in a message. Where they are shown is the caller's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pmctl {

// Printable ASCII as it is, all else as \xNN; of at most `max` bytes, "..." after them if there are more.
std::string escaped(std::string_view bytes, std::size_t max);

// The beginning of a text on one line: white space put together, at most about `max` bytes and whole UTF-8
// characters. Empty where it is no text (a control character or malformed UTF-8 before `max`) or is markup.
std::string short_text(std::string_view bytes, std::size_t max);

}  // namespace pmctl
