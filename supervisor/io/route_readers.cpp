#include "supervisor/io/route_readers.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace pmctl {

void RouteReaders::asked(const std::string& reader, std::optional<std::uint64_t> has, TimePoint now) {
    if (readers_.size() >= most && !readers_.contains(reader)) {
        readers_.erase(std::min_element(readers_.begin(), readers_.end(), [](const auto& a, const auto& b) {
            return a.second.gone_at < b.second.gone_at;
        }));
    }
    Reader& known = readers_[reader];
    known.gone_at = std::max(known.gone_at, now + patience);
    if (!has) return;
    known.confirms = true;
    known.generation = std::max(known.generation, *has);
}

void RouteReaders::held(const std::string& reader, TimePoint until) {
    const auto known = readers_.find(reader);
    if (known != readers_.end()) known->second.gone_at = std::max(known->second.gone_at, until + patience);
}

void RouteReaders::answered(const std::string& reader, std::uint64_t generation, TimePoint now) {
    const auto known = readers_.find(reader);
    if (known == readers_.end()) return;
    known->second.gone_at = now + patience;
    if (!known->second.confirms) known->second.generation = generation;
}

std::uint64_t RouteReaders::seen_by_all(TimePoint now) {
    forget_gone(now);
    std::uint64_t lowest = all;
    for (const auto& [name, reader] : readers_) lowest = std::min(lowest, reader.generation);
    return lowest;
}

void RouteReaders::forget_gone(TimePoint now) {
    std::erase_if(readers_, [&](const auto& each) { return each.second.gone_at <= now; });
}

std::optional<std::uint64_t> generation_in(std::string_view if_none_match, std::string_view prefix) {
    const auto at = if_none_match.find(prefix);
    if (at == std::string_view::npos || prefix.empty()) return std::nullopt;
    const std::string_view rest = if_none_match.substr(at + prefix.size());
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const bool whole = error == std::errc{} && end != rest.data() + rest.size() && *end == '"';
    return whole ? std::optional(number) : std::nullopt;
}

}  // namespace pmctl
