// What came between us and an HTTP answer, in words for people.
#pragma once

#include <string>

namespace boost::system {
class error_code;
}

namespace pmctl {

// Of resolving, connecting, TLS, writing and reading: "connection refused", "the answer was cut off", "the
// answer is no HTTP". One line, without a full stop.
std::string words_of(const boost::system::error_code& error);

}  // namespace pmctl
