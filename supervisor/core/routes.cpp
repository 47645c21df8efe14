#include "supervisor/core/routes.hpp"

#include <algorithm>
#include <array>

namespace pmctl {

namespace {

// RFC 1035, section 2.3.4, and a final dot, a colon and a port.
constexpr std::size_t longest_host = 253 + 1 + 6;

std::string_view without_port(std::string_view host) {
    return host.substr(0, host.rfind(':'));
}

}  // namespace

void RouteTable::drop_host(const Entry& entry, const std::string& hostname) {
    const auto place = hosts_.find(hostname);
    if (place == hosts_.end() || place->second != &entry) return;  // another instance has it by now
    hosts_.erase(place);
    const auto bare = with_ports_.find(without_port(hostname));
    if (bare == with_ports_.end()) return;
    bare->second.erase(hostname);
    if (bare->second.empty()) with_ports_.erase(bare);
}

void RouteTable::set_hosts(const std::string& instance, const std::vector<std::string>& hostnames,
                           bool on_demand) {
    Entry& entry = entries_[instance];
    entry.instance = instance;
    entry.on_demand = on_demand;
    const auto is_mine = [&](const std::string& each) {
        const auto place = hosts_.find(each);
        return place != hosts_.end() && place->second == &entry;
    };
    if (entry.hostnames == hostnames && std::all_of(hostnames.begin(), hostnames.end(), is_mine)) return;
    for (const std::string& each : entry.hostnames) {
        if (std::find(hostnames.begin(), hostnames.end(), each) == hostnames.end()) drop_host(entry, each);
    }
    entry.hostnames = hostnames;
    for (const std::string& each : hostnames) {
        hosts_[each] = &entry;
        if (each.find(':') != std::string::npos) with_ports_[std::string(without_port(each))].insert(each);
    }
    ++generation_;
}

void RouteTable::set_upstream(const std::string& instance, std::uint32_t replica,
                              const std::optional<Upstream>& upstream) {
    if (!upstream && entries_.find(instance) == entries_.end()) return;
    Entry& entry = entries_[instance];
    entry.instance = instance;
    const auto place =
        std::lower_bound(entry.upstreams.begin(), entry.upstreams.end(), replica,
                         [](const Upstream& each, std::uint32_t number) { return each.replica < number; });
    const bool there = place != entry.upstreams.end() && place->replica == replica;
    if (!upstream && !there) return;
    if (upstream && there && *place == *upstream) return;
    if (!upstream) {
        entry.upstreams.erase(place);
    } else if (there) {
        *place = *upstream;
    } else {
        entry.upstreams.insert(place, *upstream);
    }
    if (!entry.hostnames.empty()) ++generation_;
}

void RouteTable::forget(const std::string& instance) {
    const auto place = entries_.find(instance);
    if (place == entries_.end()) return;
    const std::vector<std::string> hostnames = place->second.hostnames;
    for (const std::string& each : hostnames) drop_host(place->second, each);
    if (!hostnames.empty()) ++generation_;
    entries_.erase(place);
}

RouteTable::Table<RouteTable::Entry*>::const_iterator RouteTable::place_of(std::string_view host) const {
    std::array<char, longest_host> lower{};
    if (host.empty() || host.size() > lower.size()) return hosts_.end();
    const auto colon = host.rfind(':');
    std::string_view name = host.substr(0, colon);
    const std::string_view port = colon == std::string_view::npos ? "" : host.substr(colon);
    if (name.ends_with('.')) name.remove_suffix(1);
    auto* end = std::transform(name.begin(), name.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    end = std::copy(port.begin(), port.end(), end);
    const std::string_view whole(lower.data(), static_cast<std::size_t>(end - lower.data()));
    if (const auto exact = hosts_.find(whole); exact != hosts_.end()) return exact;
    const std::string_view bare = whole.substr(0, name.size());
    if (!port.empty()) return hosts_.find(bare);
    const auto with_port = with_ports_.find(bare);
    return with_port == with_ports_.end() ? hosts_.end() : hosts_.find(*with_port->second.begin());
}

RouteFound RouteTable::find(std::string_view host) {
    const auto place = place_of(host);
    if (place == hosts_.end()) return {};
    Entry& entry = *place->second;
    RouteFound found{&place->first, &entry.instance, nullptr, entry.on_demand};
    if (!entry.upstreams.empty()) found.upstream = &entry.upstreams[entry.turn++ % entry.upstreams.size()];
    return found;
}

std::optional<RouteRow> RouteTable::row(std::string_view host) const {
    const auto place = place_of(host);
    if (place == hosts_.end()) return std::nullopt;
    return RouteRow{place->first, place->second->instance, place->second->upstreams};
}

std::vector<RouteRow> RouteTable::rows() const {
    std::vector<RouteRow> all;
    all.reserve(hosts_.size());
    for (const auto& [hostname, entry] : hosts_) all.push_back({hostname, entry->instance, entry->upstreams});
    std::sort(all.begin(), all.end(),
              [](const RouteRow& a, const RouteRow& b) { return a.hostname < b.hostname; });
    return all;
}

}  // namespace pmctl
