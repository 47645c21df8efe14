#include "supervisor/io/log_cursor.hpp"

#include <charconv>

namespace pmctl {

std::string to_text(const LogCursor& cursor) {
    std::string text;
    for (const auto& [name, position] : cursor) {
        if (!text.empty()) text += ',';
        text += name + '=' + std::to_string(position);
    }
    return text;
}

Result<LogCursor> parse_log_cursor(std::string_view text) {
    LogCursor cursor;
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), item.size() + 1));
        const std::size_t equals = item.rfind('=');
        std::uint64_t position = 0;
        const bool named = equals != std::string_view::npos && equals > 0;
        if (!named) return fail(ErrorKind::Invalid, "'" + std::string(item) + "' is no place in a log");
        const std::string_view digits = item.substr(equals + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), position);
        if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty()) {
            return fail(ErrorKind::Invalid, "'" + std::string(item) + "' is no place in a log");
        }
        cursor[std::string(item.substr(0, equals))] = position;
    }
    return cursor;
}

}  // namespace pmctl
