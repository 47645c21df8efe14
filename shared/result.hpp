// Error and Result<T>: the one way that failure travels. What each kind means to a script is decided once,
// in exit_status(); nothing else turns an error into a number.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace pmctl {

enum class ErrorKind {
    Failed,       // the operation was tried and failed
    Invalid,      // usage, a malformed request or an invalid configuration
    Unsettled,    // status/wait: not everything that was named is as it should be
    NotFound,     // no such instance
    Unavailable,  // no supervisor answers
    Timeout,      // the time allowed ran out
    Denied,       // not permitted
};

struct Error {
    ErrorKind kind = ErrorKind::Failed;
    std::string message;  // where, what, and what to do; no trailing full stop or newline

    bool operator==(const Error&) const = default;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
    return tl::unexpected<Error>(Error{kind, std::move(message)});
}
inline tl::unexpected<Error> fail(std::string message) {
    return fail(ErrorKind::Failed, std::move(message));
}

// The exit status of a program that ends with this error: pmctl(1), "EXIT STATUS".
constexpr int exit_status(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::Failed: return 1;
        case ErrorKind::Invalid: return 2;
        case ErrorKind::Unsettled: return 3;
        case ErrorKind::NotFound: return 4;
        case ErrorKind::Unavailable: return 5;
        case ErrorKind::Timeout: return 6;
        case ErrorKind::Denied: return 7;
    }
    return 1;
}

}  // namespace pmctl
