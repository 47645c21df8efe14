#include "supervisor/io/http_query.hpp"

#include <charconv>

namespace pmctl {

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        unsigned char byte = 0;
        const char* end = text.data() + i + 3;
        const auto parsed = std::from_chars(text.data() + i + 1, end, byte, 16);
        if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
        out += static_cast<char>(byte);
        i += 2;
    }
    return out;
}

std::optional<std::string> query_value(std::string_view query, std::string_view key) {
    while (!query.empty()) {
        const auto end = query.find('&');
        const std::string_view part = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
        const auto equals = part.find('=');
        if (part.substr(0, equals) != key) continue;
        return equals == std::string_view::npos ? std::string() : percent_decoded(part.substr(equals + 1));
    }
    return std::nullopt;
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) {
    while (!if_none_match.empty()) {
        const auto end = if_none_match.find(',');
        std::string_view each = if_none_match.substr(0, end);
        if_none_match = end == std::string_view::npos ? std::string_view() : if_none_match.substr(end + 1);
        while (each.starts_with(' ') || each.starts_with('\t')) each.remove_prefix(1);
        while (each.ends_with(' ') || each.ends_with('\t')) each.remove_suffix(1);
        if (each == "*") return true;
        // Compared weakly: a proxy on the way may have marked it so.
        if (each.starts_with("W/")) each.remove_prefix(2);
        if (each == etag) return true;
    }
    return false;
}

}  // namespace pmctl
