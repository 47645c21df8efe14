#include "supervisor/core/expand.hpp"

#include "supervisor/core/names.hpp"

namespace pmctl {

Result<std::string> expand(std::string_view text, const Lookup& lookup) {
    std::string out;
    for (;;) {
        const auto dollar = text.find('$');
        out += text.substr(0, dollar);
        if (dollar == std::string_view::npos) return out;
        text.remove_prefix(dollar + 1);
        if (text.starts_with('$')) {
            out += '$';
            text.remove_prefix(1);
        } else if (text.starts_with('{')) {
            const auto close = text.find('}');
            const std::string_view name = text.substr(1, close == std::string_view::npos ? close : close - 1);
            if (close == std::string_view::npos || !is_variable_name(name))
                return fail(
                    ErrorKind::Invalid,
                    "'$" + std::string(text.substr(0, close == std::string_view::npos ? close : close + 1)) +
                        "' is no ${NAME}; write '$$' for a dollar sign");
            auto value = lookup(name);
            if (!value) return value;
            out += *value;
            text.remove_prefix(close + 1);
        } else {
            out += '$';
        }
    }
}

}  // namespace pmctl
