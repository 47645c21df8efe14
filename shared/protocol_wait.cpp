#include <variant>

#include "shared/protocol.hpp"

namespace pmctl {

Duration wait_of(const Request& request) {
    return std::visit(
        [](const auto& each) {
            if constexpr (requires { each.wait; }) {
                return each.wait;
            } else {
                return Duration::zero();
            }
        },
        request);
}

}  // namespace pmctl
